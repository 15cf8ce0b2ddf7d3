//! The best one-to-one naming of vehicles by journeys.

use std::collections::BTreeMap;

/// The greatest total weight of pairs in which no left and no right side appears twice.
///
/// The graph falls into components (a vehicle and the few journeys it was split into); each is solved by the Hungarian method.
pub(crate) fn heaviest(edges: &BTreeMap<(usize, usize), usize>) -> usize {
    let mut components = Vec::<(Vec<usize>, Vec<usize>)>::new();
    let (mut of_left, mut of_right) = (BTreeMap::<usize, Vec<usize>>::new(), BTreeMap::<usize, Vec<usize>>::new());
    for (left, right) in edges.keys() {
        of_left.entry(*left).or_default().push(*right);
        of_right.entry(*right).or_default().push(*left);
    }
    while let Some((left, rights)) = of_left.pop_first() {
        let (mut lefts, mut seen, mut open) = (vec![left], Vec::new(), rights);
        while let Some(right) = open.pop() {
            let Some(others) = of_right.remove(&right) else { continue };
            seen.push(right);
            for other in others {
                if let Some(more) = of_left.remove(&other) {
                    lefts.push(other);
                    open.extend(more);
                }
            }
        }
        components.push((lefts, seen));
    }
    let weight = |left: usize, right: usize| edges.get(&(left, right)).copied().unwrap_or(0);
    components.iter().map(|(lefts, rights)| component(lefts, rights, weight)).sum()
}

fn component(lefts: &[usize], rights: &[usize], weight: impl Fn(usize, usize) -> usize) -> usize {
    if lefts.len() == 1 || rights.len() == 1 {
        return lefts.iter().flat_map(|l| rights.iter().map(|r| weight(*l, *r))).max().unwrap_or(0);
    }
    let matrix: Vec<Vec<i64>> = if lefts.len() <= rights.len() {
        lefts.iter().map(|l| rights.iter().map(|r| -(weight(*l, *r) as i64)).collect()).collect()
    } else {
        rights.iter().map(|r| lefts.iter().map(|l| -(weight(*l, *r) as i64)).collect()).collect()
    };
    -cheapest(&matrix) as usize
}

/// The least total cost of giving each row a column of its own (Kuhn 1955, with potentials: O(rows² · columns)); rows ≤ columns.
fn cheapest(cost: &[Vec<i64>]) -> i64 {
    let (rows, columns) = (cost.len(), cost[0].len());
    // Row and column 0 are the imaginary start of each augmenting path.
    let (mut of_row, mut of_column) = (vec![0; rows + 1], vec![0; columns + 1]);
    let mut taken_by = vec![0; columns + 1];
    for row in 1..=rows {
        taken_by[0] = row;
        let (mut least, mut way, mut used) = (vec![i64::MAX; columns + 1], vec![0; columns + 1], vec![false; columns + 1]);
        let mut column = 0;
        while taken_by[column] != 0 {
            used[column] = true;
            let (mut step, mut next) = (i64::MAX, 0);
            for other in (1..=columns).filter(|c| !used[*c]) {
                let slack = cost[taken_by[column] - 1][other - 1] - of_row[taken_by[column]] - of_column[other];
                if slack < least[other] {
                    (least[other], way[other]) = (slack, column);
                }
                if least[other] < step {
                    (step, next) = (least[other], other);
                }
            }
            for other in 0..=columns {
                if used[other] {
                    of_row[taken_by[other]] += step;
                    of_column[other] -= step;
                } else if least[other] < i64::MAX {
                    least[other] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            taken_by[column] = taken_by[way[column]];
            column = way[column];
        }
    }
    (1..=columns).filter(|c| taken_by[*c] != 0).map(|c| cost[taken_by[c] - 1][c - 1]).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::heaviest;
    use crate::Random;

    /// Tries every choice.
    fn exhaustive(edges: &[((usize, usize), usize)], lefts: u32, rights: u32) -> usize {
        let Some((((l, r), weight), rest)) = edges.split_first() else { return 0 };
        let without = exhaustive(rest, lefts, rights);
        if lefts >> l & 1 == 1 || rights >> r & 1 == 1 {
            return without;
        }
        without.max(weight + exhaustive(rest, lefts | 1 << l, rights | 1 << r))
    }

    #[test]
    fn no_other_choice_is_heavier() {
        let mut random = Random::of(1, 0);
        for _ in 0..400 {
            let edges: BTreeMap<(usize, usize), usize> = (0..random.range(0, 13))
                .map(|_| ((random.range(0, 6) as usize, random.range(0, 6) as usize), random.range(1, 9) as usize))
                .collect();
            let listed: Vec<((usize, usize), usize)> = edges.clone().into_iter().collect();
            assert_eq!(heaviest(&edges), exhaustive(&listed, 0, 0), "{edges:?}");
        }
    }
}

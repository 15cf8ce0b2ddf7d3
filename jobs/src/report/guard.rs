//! No group so small that it tells of single vehicles: k-anonymity, with k of five passages.

use schemas::Counts;

use super::group::Group;

/// The fewest passages of a group that is shown.
pub(super) const LEAST: i64 = 5;

/// Merges groups with fewer passages than that into one of this name; if they are too few even together, the smallest of the
/// others goes with them, for they could be had as the difference to the total. Groups of which nothing was counted stay.
pub(super) fn guard(groups: Vec<Group>, others: &str) -> Vec<Group> {
    let is_small = |group: &Group| !group.is_empty() && group.counts.passages < LEAST;
    let (small, mut shown): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(is_small);
    if small.is_empty() {
        return shown;
    }
    let mut merged = small.iter().fold(Group::new(others, None, Counts::NONE, 0), Group::and);
    while merged.counts.passages < LEAST {
        let least = (0..shown.len()).filter(|place| !shown[*place].is_empty()).min_by_key(|place| shown[*place].counts.passages);
        let Some(least) = least else { return shown };
        merged = merged.and(&shown.remove(least));
    }
    shown.push(merged);
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn groups(passages: &[i64]) -> Vec<Group> {
        let group = |(n, passages): (usize, &i64)| Group::new(format!("g{n}"), None, Counts { passages: *passages, ..Counts::NONE }, 0);
        passages.iter().enumerate().map(group).collect()
    }

    fn shown(passages: &[i64]) -> Vec<(String, i64)> {
        guard(groups(passages), "others").into_iter().map(|group| (group.name, group.counts.passages)).collect()
    }

    #[test]
    fn small_groups_are_shown_together_and_never_as_a_difference() {
        let named = |groups: &[(&str, i64)]| groups.iter().map(|(name, passages)| ((*name).to_owned(), *passages)).collect::<Vec<_>>();
        assert_eq!(shown(&[5, 9, 0]), named(&[("g0", 5), ("g1", 9), ("g2", 0)]));
        assert_eq!(shown(&[3, 20, 2, 9]), named(&[("g1", 20), ("g3", 9), ("others", 5)]));
        assert_eq!(shown(&[3, 20, 9, 0]), named(&[("g1", 20), ("g3", 0), ("others", 12)]));
        assert_eq!(shown(&[3, 1]), named(&[]));
    }

    proptest! {
        #[test]
        fn whatever_is_missing_is_enough_to_hide_in(passages in prop::collection::vec(0i64..12, 0..10)) {
            let all: i64 = passages.iter().sum();
            let shown = guard(groups(&passages), "others");
            prop_assert!(shown.iter().all(|group| group.is_empty() || group.counts.passages >= 5));
            let sum: i64 = shown.iter().map(|group| group.counts.passages).sum();
            prop_assert!(sum == all || (all < 5 && sum == 0));
        }
    }
}

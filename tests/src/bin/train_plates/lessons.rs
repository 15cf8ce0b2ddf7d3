//! Lessons drawn in a thread of their own while the last batch is learnt from; at most a few batches wait.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use city::Random;

/// How many lessons are remembered to be given again.
const REMEMBERED: usize = 4_000;

/// Batches without end. One in so many lessons is new, the others were given before: to draw one takes longer than to learn from it,
/// and what is seen again, thousands of lessons apart, teaches almost as much. All follows from the seed, for one thread draws.
pub(crate) fn batches<L: Send + Sync + 'static>(
    size: usize,
    one_new_in: usize,
    seed: u64,
    mut draw: impl FnMut(&mut Random) -> L + Send + 'static,
) -> Receiver<Vec<Arc<L>>> {
    let (to, from) = sync_channel(4);
    std::thread::spawn(move || {
        let mut random = Random::of(seed, 3);
        let mut remembered: Vec<Arc<L>> = Vec::new();
        let mut given = 0_usize;
        loop {
            let mut batch = Vec::with_capacity(size);
            for _ in 0..size {
                given += 1;
                // Before there is much to remember, what is new is worth waiting for.
                let enough = remembered.len() * one_new_in > given.min(REMEMBERED);
                if !given.is_multiple_of(one_new_in) && enough {
                    batch.push(Arc::clone(&remembered[random.range(0, remembered.len() as i64) as usize]));
                    continue;
                }
                let lesson = Arc::new(draw(&mut random));
                if remembered.len() < REMEMBERED {
                    remembered.push(Arc::clone(&lesson));
                } else {
                    let place = random.range(0, REMEMBERED as i64) as usize;
                    remembered[place] = Arc::clone(&lesson);
                }
                batch.push(lesson);
            }
            // The other side has gone: the training is over.
            if to.send(batch).is_err() {
                return;
            }
        }
    });
    from
}

//! Lessons drawn in a thread of their own while the last batch is learnt from; at most a few batches wait.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use city::Random;

/// How many lessons are remembered to be given again.
const REMEMBERED: usize = 4_000;

/// Batches without end. Half of each is new, half was given before: to draw a plate takes as long as to learn from it, and what is
/// seen twice, thousands of lessons apart, teaches almost as much as two. All follows from the seed, for one thread draws.
pub(crate) fn batches<L: Send + Sync + 'static>(
    size: usize,
    seed: u64,
    mut draw: impl FnMut(&mut Random) -> L + Send + 'static,
) -> Receiver<Vec<Arc<L>>> {
    let (to, from) = sync_channel(4);
    std::thread::spawn(move || {
        let mut random = Random::of(seed, 3);
        let mut remembered: Vec<Arc<L>> = Vec::new();
        loop {
            let mut batch = Vec::with_capacity(size);
            for _ in 0..size {
                if batch.len() % 2 == 1 && remembered.len() == REMEMBERED {
                    let place = random.range(0, REMEMBERED as i64) as usize;
                    batch.push(remembered.swap_remove(place));
                    continue;
                }
                let lesson = Arc::new(draw(&mut random));
                if remembered.len() < REMEMBERED {
                    remembered.push(Arc::clone(&lesson));
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

//! `Index`: from the hash of a key to a position, open-addressed, eight bytes a slot.
//!
//! Positions die by themselves (their rows are forgotten), so nothing is ever removed: slots of dead positions are used
//! again, and the table is built anew from the living when it is three quarters full.

/// From the hash of a key to the position of its newest row.
#[derive(Default)]
pub(super) struct Index {
    entries: Vec<Entry>,
    /// How many entries are in use, those of dead positions included.
    used: usize,
    /// How many positions were set since the table was built: positions wrap around, so the dead must not stay for ever.
    set: u32,
}

/// A used entry has an odd tag, an unused one none.
#[derive(Clone, Copy, Default)]
struct Entry {
    tag: u32,
    position: u32,
}

/// A place in the table that belongs, or may belong, to a key.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    number: usize,
    tag: u32,
}

impl Index {
    const LEAST: usize = 64;

    fn tag(hash: u64) -> u32 {
        (hash >> 32) as u32 | 1
    }

    /// The first place to look: the tag's highest bits, so that the table can be built anew from tags alone.
    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.entries.len() as u64) >> 32) as usize
    }

    /// Finds the slot of a key and its position, if it has a living one. `same` tells whether the row at a position has
    /// the key, `None` if the position is dead.
    pub(super) fn find(&self, hash: u64, same: impl Fn(u32) -> Option<bool>) -> (Slot, Option<u32>) {
        let tag = Self::tag(hash);
        let (mut number, mut free) = (self.home(tag), None);
        while let Some(entry) = self.entries.get(number).filter(|entry| entry.tag != 0) {
            match same(entry.position) {
                None => free = free.or(Some(number)),
                Some(true) if entry.tag == tag => return (Slot { number, tag }, Some(entry.position)),
                Some(_) => {}
            }
            number = (number + 1) & (self.entries.len() - 1);
        }
        (Slot { number: free.unwrap_or(number), tag }, None)
    }

    /// The position in the first place to look, without asking whether it is the right one.
    pub(super) fn peek(&self, hash: u64) -> u32 {
        self.entries.get(self.home(Self::tag(hash))).map_or(0, |entry| entry.position)
    }

    /// Sets the position of a slot that [`find`](Self::find) has just returned.
    pub(super) fn set(&mut self, slot: Slot, position: u32, alive: impl Fn(u32) -> bool) {
        self.set += 1;
        if let Some(entry) = self.entries.get_mut(slot.number) {
            self.used += usize::from(entry.tag == 0);
            *entry = Entry { tag: slot.tag, position };
        }
        if self.used * 4 >= self.entries.len() * 3 || self.set > u32::MAX / 4 {
            let unplaced = self.entries.is_empty().then_some(Entry { tag: slot.tag, position });
            self.rebuild(alive, unplaced);
        }
    }

    /// What its slots take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.entries)
    }

    /// How many slots there are.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.entries.len()
    }

    fn rebuild(&mut self, alive: impl Fn(u32) -> bool, unplaced: Option<Entry>) {
        let mut living = std::mem::take(&mut self.entries);
        living.extend(unplaced);
        living.retain(|entry| entry.tag != 0 && alive(entry.position));
        self.entries = vec![Entry::default(); (living.len() * 2).next_power_of_two().max(Self::LEAST)];
        (self.used, self.set) = (living.len(), 0);
        for entry in living {
            let mut number = self.home(entry.tag);
            while self.entries[number].tag != 0 {
                number = (number + 1) & (self.entries.len() - 1);
            }
            self.entries[number] = entry;
        }
    }
}

//! What city to make: its size, how people drive, and how its equipment fails. Every fault has its own knob.

/// First moment of every recording: 2026-01-01 07:00 in Hanoi, as UTC milliseconds.
pub const EPOCH_MS: i64 = 1_767_225_600_000;

/// A city to simulate. The same plan gives the same bytes, always.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Everything random follows from it.
    pub seed: u64,
    /// How many approaches have a camera.
    pub cameras: usize,
    /// How long the recording is.
    pub seconds: u32,
    /// Frames a second of each camera.
    pub fps: u32,
    /// What the cameras' lenses are like.
    pub lens: Lens,
    /// Vehicles that enter on each road from outside, an hour.
    pub arrivals_per_hour: u32,
    /// How people drive.
    pub behaviour: Behaviour,
    /// How equipment fails.
    pub noise: Noise,
}

impl Plan {
    /// A city of that size with everything in it; what needs more time than there is (outages, long stays) scales with the size.
    #[must_use]
    pub fn new(seed: u64, cameras: usize, seconds: u32) -> Self {
        let behaviour = Behaviour::usual(cameras, seconds);
        Self { seed, cameras, seconds, fps: 5, lens: Lens::Wide, arrivals_per_hour: 400, behaviour, noise: Noise::usual(seconds) }
    }

    /// Four cameras for a minute: milliseconds to make, for tests that need thousands.
    #[must_use]
    pub fn small(seed: u64) -> Self {
        Self { arrivals_per_hour: 900, ..Self::new(seed, 4, 60) }
    }

    /// The same traffic seen by perfect equipment.
    #[must_use]
    pub fn clean(mut self) -> Self {
        self.noise = Noise::none();
        self
    }

    /// Four cameras with long lenses, whose pictures can be drawn: ten a second, and equipment without faults, for what fails then is
    /// what looks at them.
    #[must_use]
    pub fn filmed(seed: u64, cameras: usize, seconds: u32) -> Self {
        Self { fps: 10, lens: Lens::Long, arrivals_per_hour: 700, ..Self::new(seed, cameras, seconds).clean() }
    }

    /// Only people who keep to the rules, and nobody looked for.
    #[must_use]
    pub fn lawful(mut self) -> Self {
        let kept = &self.behaviour;
        self.behaviour = Behaviour { trucks: kept.trucks, buses: kept.buses, motorbikes: kept.motorbikes, ..Behaviour::lawful() };
        self
    }
}

/// What cameras' lenses are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lens {
    /// Much of the road; plates are a few pixels wide.
    Wide,
    /// The last metres before the stop line, close enough to read plates.
    Long,
}

/// How people drive, as shares of drivers or as counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// Share of drivers who pass a light that has been red for less than 12 s.
    pub red_runners: f64,
    /// Share of drivers who want to go 1.5 to 1.8 times the limit.
    pub speeders: f64,
    /// Share of lorries.
    pub trucks: f64,
    /// Share of buses.
    pub buses: f64,
    /// Share of motorbikes.
    pub motorbikes: f64,
    /// Drives against the direction.
    pub wrong_way: usize,
    /// Stops on the shoulder, some short, some too long.
    pub stopping: usize,
    /// Pairs of vehicles with one plate.
    pub cloned: usize,
    /// Entries of the hotlist.
    pub hotlist: usize,
    /// Cameras with a calibrated speed device.
    pub speed_devices: usize,
}

impl Behaviour {
    /// A city with some of everything.
    #[must_use]
    pub fn usual(cameras: usize, seconds: u32) -> Self {
        let minutes = seconds as usize / 60;
        Self {
            red_runners: 0.10,
            speeders: 0.06,
            trucks: 0.06,
            buses: 0.04,
            motorbikes: 0.12,
            wrong_way: (minutes / 4).clamp(1, 15),
            stopping: (cameras / 4 + minutes / 10).clamp(1, 12),
            cloned: (minutes / 12).clamp(1, 5),
            hotlist: (minutes / 2).clamp(3, 15),
            speed_devices: (cameras / 6).max(1),
        }
    }

    /// Cars only, and all keep to the rules.
    #[must_use]
    pub fn lawful() -> Self {
        Self {
            red_runners: 0.0,
            speeders: 0.0,
            trucks: 0.0,
            buses: 0.0,
            motorbikes: 0.0,
            wrong_way: 0,
            stopping: 0,
            cloned: 0,
            hotlist: 0,
            speed_devices: 0,
        }
    }
}

/// How equipment fails; zero switches a fault off. Shares are probabilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// Share of boxes the detector misses.
    pub missed: f64,
    /// Share of passages hidden by another vehicle for 0.5 to 1.6 s.
    pub hidden: f64,
    /// Share of frames with a box where nothing is.
    pub false_boxes: f64,
    /// Deviation of a box's position, pixels (its bottom edge; the other figures keep their proportion).
    pub box_px: f64,
    /// Spread of the detector's confidence, permille.
    pub confidence: f64,
    /// Share of boxes of a wrong class.
    pub class_wrong: f64,
    /// Share of boxes of a wrong colour.
    pub body_wrong: f64,
    /// Share of vehicles whose plate no camera can read.
    pub unreadable: f64,
    /// Share of passages without any read.
    pub unread: f64,
    /// Share of frames in reading distance without a read.
    pub blurred: f64,
    /// Share of passages where dirt or shadow makes the same character misread again and again.
    pub misread: f64,
    /// Share of characters misread in a single frame.
    pub slips: f64,
    /// Share of reads that lose a character.
    pub dropped: f64,
    /// A camera's clock is wrong by less than this.
    pub clock_ms: i64,
    /// Whether one camera's clock is 900 ms fast (and known to be within 1 s).
    pub skewed: bool,
    /// Median of the lognormal time a frame takes to arrive.
    pub delay_ms: f64,
    /// Share of cameras whose line stalls once and then delivers all that waited, in order.
    pub slow_lines: f64,
    /// The longest stall.
    pub slow_most_ms: i64,
    /// Share of frames delivered twice.
    pub duplicates: f64,
    /// Cameras that die for a while.
    pub outages: usize,
    /// How long they stay dead.
    pub outage_ms: i64,
}

impl Noise {
    /// What real equipment does.
    #[must_use]
    pub fn usual(seconds: u32) -> Self {
        Self {
            missed: 0.06,
            hidden: 0.18,
            false_boxes: 0.01,
            box_px: 2.5,
            confidence: 70.0,
            class_wrong: 0.02,
            body_wrong: 0.12,
            unreadable: 0.07,
            unread: 0.05,
            blurred: 0.5,
            misread: 0.09,
            slips: 0.03,
            dropped: 0.015,
            clock_ms: 40,
            skewed: seconds >= 600,
            delay_ms: 150.0,
            slow_lines: 0.17,
            slow_most_ms: 60_000.min(i64::from(seconds) * 250),
            duplicates: 0.002,
            outages: if seconds >= 600 { 3 } else { 1 },
            outage_ms: 240_000.min(i64::from(seconds) * 250),
        }
    }

    /// What no equipment does: every box, every plate, on time, once.
    #[must_use]
    pub fn none() -> Self {
        Self {
            missed: 0.0,
            hidden: 0.0,
            false_boxes: 0.0,
            box_px: 0.0,
            confidence: 0.0,
            class_wrong: 0.0,
            body_wrong: 0.0,
            unreadable: 0.0,
            unread: 0.0,
            blurred: 0.0,
            misread: 0.0,
            slips: 0.0,
            dropped: 0.0,
            clock_ms: 0,
            skewed: false,
            delay_ms: 0.0,
            slow_lines: 0.0,
            slow_most_ms: 0,
            duplicates: 0.0,
            outages: 0,
            outage_ms: 0,
        }
    }
}

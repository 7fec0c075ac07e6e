//! Random inputs, the same for the same seed; a count of failures; and of each failure a smaller input that fails, too.

use std::env;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many inputs there are of each kind, if the environment variable BGEXEC_FUZZ does not name another number.
const INPUTS: u64 = 100_000;

/// So many failures of one kind are enough.
const ENOUGH: u64 = 10;

/// Longer than any input takes.
const TIME: Duration = Duration::from_secs(60);

/// A source of random numbers: SplitMix64.
pub struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Whether it happens that happens once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Between `least` and `most` letters of an alphabet.
    pub fn letters(&mut self, alphabet: &str, least: usize, most: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..least + self.below(most - least + 1)).map(|_| *self.choose(&alphabet)).collect()
    }

    /// Digits: any, or a number next to one where something changes.
    pub fn number(&mut self) -> String {
        const EDGES: [u64; 12] = [0, 1, 8, 64, 512, 1000, 1 << 31, 1 << 32, 3_600_000_000, 1 << 40, 1 << 50, 1 << 59];
        match self.below(4) {
            0 => self.letters("0123456789", 0, 20),
            1 => (self.choose(&EDGES) + self.below(3) as u64).saturating_sub(1).to_string(),
            _ => self.below(100).to_string(),
        }
    }
}

fn variable(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value}")))
}

/// Makes inputs, each of a few pieces, and checks each; says how many there were and how many failed.
///
/// # Panics
/// If one failed.
pub fn fuzz<P: Clone + Debug>(
    kind: &str,
    make: impl Fn(&mut Dice) -> Vec<P> + Sync,
    mut check: impl FnMut(&[P]) -> Result<(), String>,
) {
    let inputs = variable("BGEXEC_FUZZ").unwrap_or(INPUTS);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_nanos() as u64;
    let seed = variable("BGEXEC_FUZZ_SEED").unwrap_or(now);
    let (checked, failures) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let (_until_the_end, end) = channel();
        let (make, checked) = (&make, &checked);
        scope.spawn(move || {
            if is_stuck(&end, checked) {
                let mut dice = Dice(seed);
                let input = (0..=checked.load(Relaxed)).map(|_| make(&mut dice)).last();
                eprintln!("{kind}: BGEXEC_FUZZ_SEED={seed}: {input:?}: does not end");
                process::exit(1);
            }
        });
        let mut dice = Dice(seed);
        while checked.load(Relaxed) < inputs && failures.load(Relaxed) < ENOUGH {
            let input = make(&mut dice);
            if let Err(failure) = attempt(&mut check, &input) {
                failures.fetch_add(1, Relaxed);
                let (input, failure) = shrink(&mut check, input, failure);
                eprintln!("{kind}: BGEXEC_FUZZ_SEED={seed}: {input:?}: {failure}");
            }
            checked.fetch_add(1, Relaxed);
        }
    });
    let (checked, failures) = (checked.into_inner(), failures.into_inner());
    println!("fuzz: {kind}: {checked} inputs, {failures} failures, seed {seed}");
    assert_eq!(failures, 0, "{kind}");
}

/// Waits for the end, or until one input takes too long.
fn is_stuck(end: &Receiver<()>, checked: &AtomicU64) -> bool {
    loop {
        let before = checked.load(Relaxed);
        match end.recv_timeout(TIME) {
            Err(RecvTimeoutError::Timeout) if checked.load(Relaxed) == before => return true,
            Err(RecvTimeoutError::Timeout) => {}
            _ => return false,
        }
    }
}

/// A panic is a failure, too.
fn attempt<P>(check: &mut impl FnMut(&[P]) -> Result<(), String>, input: &[P]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| check(input))).unwrap_or_else(|_| Err("panicked".to_owned()))
}

/// Leaves out pieces as long as it fails.
fn shrink<P: Clone>(
    check: &mut impl FnMut(&[P]) -> Result<(), String>,
    mut input: Vec<P>,
    mut failure: String,
) -> (Vec<P>, String) {
    let mut place = 0;
    while place < input.len() {
        let mut smaller = input.clone();
        smaller.remove(place);
        match attempt(check, &smaller) {
            Err(other) => (input, failure, place) = (smaller, other, 0),
            Ok(()) => place += 1,
        }
    }
    (input, failure)
}

/// What fails is found, and made as small as it can be.
#[test]
fn failure_is_found_and_shrunk() {
    let fails = |input: &[usize]| {
        if input.contains(&3) && input.contains(&7) { Err(format!("{input:?}")) } else { Ok(()) }
    };
    let mut dice = Dice(1);
    let made = || (0..20).map(|_| dice.below(9)).collect::<Vec<_>>();
    let input = std::iter::repeat_with(made).find(|input| fails(input).is_err()).expect("there are enough");
    let (mut input, _) = shrink(&mut { fails }, input, String::new());
    input.sort_unstable();
    assert_eq!(input, [3, 7]);
    assert!(
        attempt(&mut |input: &[usize]| if input[0] == 0 { panic!("as is to be seen") } else { Ok(()) }, &[0]).is_err()
    );
}

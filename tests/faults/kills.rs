//! At each system call of each process of a launch, that process or one that waits for it gets a signal.

use crate::start::{cases, home};
use crate::verdict::{kills, violation};
use crate::{Form, Tally, form, in_parallel, parts};

/// What a usual run takes one of.
const PARTS: usize = 16;

#[test]
fn killed_at_every_step_and_the_promise_holds() {
    if form() == Form::Seeded {
        return;
    }
    let home = home();
    let tally = Tally::default();
    let kills = |case| kills(case, home.path()).into_iter().map(move |kill| (case, kill));
    let all: Vec<_> = cases().into_iter().flat_map(kills).collect();
    in_parallel(&all, PARTS, |&(case, kill)| {
        let harm = format!("[{}] {:?} before call {} at {:?}", case.words, kill.harm, kill.call, kill.place);
        tally.count(harm, violation(case, home.path(), kill));
    });
    tally.close("kills", 10_000 / parts(PARTS));
}

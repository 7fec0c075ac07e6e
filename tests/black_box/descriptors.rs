//! Descriptors: the command gets its streams, what it is to keep, and nothing else.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::harness::kernel::Refusal;
use crate::harness::{Launch, Report, Sandbox, at_most, is_root, skip};

fn null() -> File {
    File::open("/dev/null").expect("it is there")
}

fn numbers(daemon: &Report) -> Vec<i32> {
    daemon.descriptors.keys().copied().collect()
}

const REFUSED: [Refusal; 2] = [
    Refusal { call: sc::nr::CLOSE_RANGE, second: None, errno: Errno::NOSYS },
    Refusal { call: sc::nr::CLOSE_RANGE, second: None, errno: Errno::PERM },
];

mod all_above_the_streams {
    use super::*;

    #[track_caller]
    fn assert_closed(prepare: impl FnOnce(Launch) -> Launch) {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&[]).descriptors([3, 4, 9, 63, 64, 65, 200, 1000], null());
        prepare(launch).probe(["stay"]).run().assert_started();
        assert_eq!(numbers(&sandbox.report()), [0, 1, 2]);
    }

    #[test]
    fn are_closed() {
        assert_closed(|launch| launch);
    }

    #[test]
    fn are_closed_for_a_group_leader() {
        assert_closed(Launch::leading_group);
    }

    #[test]
    fn are_closed_in_the_foreground() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&["-F"]).descriptors([3, 4, 9, 63, 64, 65, 200, 1000], null());
        launch.probe(["exit", "0"]).run().assert_started();
        assert_eq!(numbers(&sandbox.report()), [0, 1, 2]);
    }

    #[test]
    fn are_closed_where_a_filter_refuses_close_range() {
        for refusal in REFUSED {
            assert_closed(|launch| launch.refused(refusal));
        }
    }

    #[test]
    fn are_closed_where_a_filter_refuses_close_range_and_unshare() {
        let unshare = Refusal { call: sc::nr::UNSHARE, second: None, errno: Errno::PERM };
        for refusal in REFUSED {
            assert_closed(|launch| launch.refused(refusal).refused(unshare));
        }
    }

    #[test]
    fn are_closed_without_proc() {
        if !is_root() {
            return;
        }
        assert_closed(|launch| launch.hiding(c"/proc"));
        for refusal in REFUSED {
            assert_closed(|launch| launch.hiding(c"/proc").refused(refusal));
        }
    }

    /// The caller has opened them before it lowered its limit.
    #[test]
    fn are_closed_above_the_limit_too() {
        assert_closed(|launch| launch.limit(Resource::Nofile, 16));
        assert_closed(|launch| launch.limit(Resource::Nofile, 16).refused(REFUSED[0]));
    }

    #[test]
    fn are_closed_when_there_are_ten_thousand() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&["-p", "x.pid"]).limit(Resource::Nofile, 10_100);
        launch.descriptors(10..10_010, null()).probe(["stay"]).run().assert_started();
        assert_eq!(numbers(&sandbox.report()), [0, 1, 2, 63]);
    }

    /// A container's limit may be a thousand million.
    #[test]
    fn are_closed_without_delay_under_the_highest_limit() {
        let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        if limit < 1 << 20 {
            skip(&format!("a limit beyond a million; with the highest allowed, {limit}, it is"));
        }
        let start = Instant::now();
        assert_closed(|launch| launch.limit(Resource::Nofile, limit));
        assert_closed(|launch| launch.limit(Resource::Nofile, limit).refused(REFUSED[0]));
        assert!(start.elapsed() < at_most(Duration::from_secs(5)), "{:?}", start.elapsed());
    }
}

mod keep_fd {
    use super::*;

    #[test]
    fn keeps_those_named() {
        let lists =
            [("7", &[7][..]), ("7,3", &[3, 7]), ("100", &[100]), ("5,1000", &[5, 1000]), ("0", &[]), ("0,1,2,3", &[3])];
        for (list, kept) in lists {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(&["--keep-fd", list]).descriptors(3..=8, null());
            launch.descriptors([63, 64, 100, 101, 1000], null()).probe(["stay"]).run().assert_started();
            let daemon = sandbox.report();
            assert_eq!(&numbers(&daemon)[3..], kept, "--keep-fd {list}");
            assert!(kept.iter().all(|number| daemon.descriptors[number].is_null_device()));
        }
    }

    #[test]
    fn keeps_them_where_a_filter_refuses_close_range() {
        for refusal in REFUSED {
            let sandbox = Sandbox::new();
            let launch =
                sandbox.bgexec(&["--keep-fd=5,100", "-p", "x.pid"]).descriptors([4, 5, 6, 99, 100, 101], null());
            launch.refused(refusal).probe(["stay"]).run().assert_started();
            assert_eq!(numbers(&sandbox.report()), [0, 1, 2, 5, 63, 100]);
        }
    }

    /// Nearly every number that bgexec would otherwise use for itself.
    #[test]
    fn keeps_nearly_all_low_ones_beside_a_pidfile() {
        let list = (8..64).map(|number: i32| number.to_string()).collect::<Vec<_>>().join(",");
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&["--keep-fd", &list, "-p", "x.pid"]).descriptors(8..64, null());
        launch.probe(["stay"]).run().assert_started();
        let daemon = sandbox.report();
        assert!((8..64).all(|number| daemon.descriptors[&number].is_null_device()));
        assert_eq!(daemon.descriptors[&7].target, sandbox.path("x.pid"));
        assert_eq!(sandbox.pid("x.pid"), daemon.pid);
    }

    #[test]
    fn refuses_one_that_is_not_open() {
        for number in ["55", "3", "1000", "2147483647"] {
            let output = Sandbox::new().bgexec(&["--keep-fd", number, "true"]).run();
            output.assert_unable(125, &format!("keep {number}: Bad file descriptor"));
        }
    }

    #[test]
    fn names_the_one_that_is_not_open() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["--keep-fd", "7,55", "true"]).descriptors([7], null()).run();
        output.assert_unable(125, "keep 7,55: Bad file descriptor");
    }

    #[test]
    fn refuses_what_is_no_number() {
        for list in ["", "x", "3,", ",3", "3,,4", "-1", "3 4", "99999999999", "+3", "0x3"] {
            let output = Sandbox::new().bgexec(&["--keep-fd", list, "true"]).run();
            output.assert_unable_to(125, &format!("use --keep-fd {list}: "));
        }
    }
}

mod no_close {
    use super::*;

    #[test]
    fn leaves_all_open() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&["--no-close"]).descriptors([3, 4, 9, 63, 64, 200], null());
        launch.probe(["stay"]).run().assert_started();
        assert_eq!(numbers(&sandbox.report()), [0, 1, 2, 3, 4, 9, 63, 64, 200]);
    }

    #[test]
    fn leaves_all_open_beside_a_pidfile() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&["--no-close", "-p", "x.pid"]).descriptors([3, 4, 9, 63, 64, 200], null());
        launch.probe(["stay"]).run().assert_started();
        let daemon = sandbox.report();
        assert_eq!(numbers(&daemon), [0, 1, 2, 3, 4, 9, 62, 63, 64, 200]);
        assert_eq!(daemon.descriptors[&62].target, sandbox.path("x.pid"));
        assert_eq!(daemon.descriptors[&63].target, Path::new("/dev/null"));
    }

    #[test]
    fn leaves_any_number_open() {
        for options in [&[][..], &["-p", "x.pid", "-o", "out"], &["-F", "-l", "x.lock"]] {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(&["--no-close"]).words(options).descriptors(3..100, null());
            let running = launch.probe(["stay"]).spawn();
            let report = sandbox.report();
            let inherited: Vec<i32> = (0..100).collect();
            let (low, own) = numbers(&report).into_iter().partition::<Vec<_>, _>(|number| *number < 100);
            assert_eq!(low, inherited, "{options:?}");
            let own: Vec<_> = own.iter().map(|number| &*report.descriptors[number].target).collect();
            let lock = options.iter().find(|option| option.starts_with("x.")).map(|name| sandbox.path(name));
            assert_eq!(own, Vec::from_iter(lock.as_deref()), "{options:?}");
            if options.first() == Some(&"-F") {
                running.end();
            } else {
                running.wait().assert_started();
            }
        }
    }

    /// What is bgexec's own goes to higher numbers.
    #[test]
    fn leaves_the_number_for_the_notification() {
        for number in 100..105 {
            let sandbox = Sandbox::new();
            let option = format!("fd:{number}");
            let launch = sandbox.bgexec(&["--no-close", "-p", "x.pid", "--notify", &option]);
            let launch = launch.descriptors(3..100, null());
            launch.probe(["put", &format!("{number}"), "\n", "stay"]).run().assert_started();
            assert_eq!(sandbox.pid("x.pid"), sandbox.report().pid, "{option}");
            sandbox.bgexec(&["-K", "-p", "x.pid"]).run().assert_started();
        }
    }

    #[test]
    fn leaves_nothing_of_its_own_open() {
        assert_eq!(numbers(&Sandbox::new().start(&["--no-close"])), [0, 1, 2]);
    }
}

//! The figures as Markdown; the README holds a copy.

use crate::candidates::Candidate;
use crate::measure::Figures;
use crate::statistics::{median, ratio};

/// The first candidate is what the others are compared with.
pub fn print(title: &str, candidates: &[Candidate], figures: &[Figures]) {
    println!("\n{title}\n");
    println!("| | bytes | returns after µs | × floor | runs after µs | × floor | processor µs | × floor | faults |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    let floor = &figures[0];
    for (candidate, own) in candidates.iter().zip(figures) {
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            candidate.name,
            grouped(candidate.size as f64),
            grouped(median(&own.exit)),
            ratio(&own.exit, &floor.exit),
            grouped(median(&own.ready)),
            ratio(&own.ready, &floor.ready),
            grouped(median(&own.cpu)),
            ratio(&own.cpu, &floor.cpu),
            grouped(median(&own.faults)),
        );
    }
}

/// A whole number with commas between its thousands.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

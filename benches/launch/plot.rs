//! The picture for the README: three charts side by side, with a bar for each tool.

use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::candidates::Candidate;
use crate::measure::Figures;
use crate::statistics::median;
use crate::table::grouped;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (980, 280);
/// The tools' names stand at the left of the first chart.
const NAMES: i32 = 210;
const CHART: i32 = 250;
const TITLE: i32 = 32;
const MARGIN: i32 = 6;
const OURS: RGBColor = RGBColor(47, 129, 247);
const OTHERS: RGBColor = RGBColor(139, 148, 158);

/// What the drawing needs to be read on a dark page as well as on a light one, and aloud.
const HEAD: &str = "<title>Launch time and size of bgexec and its peers</title>
<style>svg { color: #1f2328 } @media (prefers-color-scheme: dark) { svg { color: #e6edf3 } }</style>
";

/// A tool's name, and its figure in the chart.
struct Bar {
    name: String,
    value: f64,
}

pub fn draw(picture: &Path, candidates: &[Candidate], figures: &[Figures]) {
    // The first of a chart is at its bottom.
    let mut tools: Vec<_> = candidates.iter().zip(figures).collect();
    tools.sort_by(|(_, one), (_, other)| median(&other.ready).total_cmp(&median(&one.ready)));
    let bars = |value: fn(&Candidate, &Figures) -> f64| {
        let bar = |&(tool, figures): &(&Candidate, &Figures)| Bar {
            name: tool.name.replace('`', ""),
            value: value(tool, figures),
        };
        tools.iter().map(bar).collect()
    };
    let exit = bars(|_, figures| median(&figures.exit));
    let ready = bars(|_, figures| median(&figures.ready));
    let size = bars(|tool, _| tool.size as f64);
    let mut drawing = String::new();
    charts(&mut drawing, exit, ready, size).expect("a string takes all");
    let drawing = drawing.replace("#000000", "currentColor").replacen(">\n", &format!(">\n{HEAD}"), 1);
    fs::write(picture, drawing).expect("the directory is ours");
}

fn charts(drawing: &mut String, exit: Vec<Bar>, ready: Vec<Bar>, size: Vec<Bar>) -> Result<(), Box<dyn Error + '_>> {
    let area = SVGBackend::with_string(drawing, SIZE).into_drawing_area();
    let (first, others) = area.split_horizontally(NAMES + CHART);
    let (second, third) = others.split_horizontally(CHART);
    let slowest = exit.iter().chain(&ready).map(|bar| bar.value).fold(0.0, f64::max);
    let largest = size.iter().map(|bar| bar.value).fold(0.0, f64::max);
    // Room for the number behind the longest bar.
    let time = 0.0..slowest * 1.35;
    chart(&first, "returns after µs", time.clone(), NAMES, &exit)?;
    chart(&second, "runs the command after µs", time, 0, &ready)?;
    chart(&third, "size in bytes, logarithmic", (100.0..largest * 50.0).log_scale(), 0, &size)?;
    area.present()?;
    drop((first, second, third));
    Ok(())
}

fn chart<'a, Scale>(
    area: &Area<'a>,
    title: &str,
    scale: Scale,
    names: i32,
    bars: &[Bar],
) -> Result<(), Box<dyn Error + 'a>>
where
    Scale: AsRangedCoord<Value = f64>,
    Scale::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let text = ("system-ui, sans-serif", 16).into_font();
    let number = text.color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(title, (names + MARGIN, MARGIN), text.color(&BLACK)))?;
    let rows: Range<usize> = 0..bars.len() - 1; // its end is a row as well
    let mut chart = ChartBuilder::on(area)
        .margin(MARGIN)
        .margin_top(TITLE)
        .y_label_area_size(names)
        .build_cartesian_2d(scale, rows.into_segmented())?;
    let name = |row: &SegmentValue<usize>| match row {
        SegmentValue::CenterOf(row) => bars.get(*row).map_or(String::new(), |bar| bar.name.clone()),
        _ => String::new(),
    };
    let mut mesh = chart.configure_mesh();
    mesh.disable_mesh().disable_x_axis().axis_style(TRANSPARENT).y_label_style(text).y_label_formatter(&name);
    mesh.draw()?;
    let start = chart.x_range().start;
    chart.draw_series(bars.iter().enumerate().map(|(row, bar)| {
        let colour = if bar.name == "bgexec" { OURS } else { OTHERS };
        let corners = [(start, SegmentValue::Exact(row)), (bar.value, SegmentValue::Exact(row + 1))];
        let mut bar = Rectangle::new(corners, colour.filled());
        bar.set_margin(4, 4, 0, 0);
        bar
    }))?;
    chart.draw_series(bars.iter().enumerate().map(|(row, bar)| {
        EmptyElement::at((bar.value, SegmentValue::CenterOf(row)))
            + Text::new(grouped(bar.value), (6, 0), number.clone())
    }))?;
    Ok(())
}

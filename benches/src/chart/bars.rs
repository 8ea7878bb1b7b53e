//! Horizontal bars in groups over one axis, each with its spread and its figures beside it.

use crate::statistics::Summary;

use super::canvas::{self, Align, Canvas, Colour, FAINT_INK, GRID, INK, Style};
use super::text;

/// What to draw.
pub(super) struct BarChart {
    pub(super) title: String,
    pub(super) subtitle: String,
    /// The unit of the values.
    pub(super) axis: String,
    pub(super) groups: Vec<Group>,
    /// Lines below everything.
    pub(super) caption: Vec<String>,
}

/// Bars under one heading.
pub(super) struct Group {
    pub(super) title: String,
    pub(super) bars: Vec<Bar>,
}

/// A bar as long as its median.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: Summary,
    /// What is printed behind it.
    pub(super) note: String,
    pub(super) colour: Colour,
}

// All in pixels.
/// The least width of a picture; one with longer words is wider.
const WIDTH: f64 = 900.0;
const MARGIN: f64 = 28.0;
/// Between labels and bars, and between bars and notes.
const GAP: f64 = 10.0;
/// The least width of the longest bar.
const LEAST_BARS: f64 = 300.0;
/// What no label and no note is narrower than.
const LEAST_LABELS: f64 = 120.0;
const TOP: f64 = 18.0;
const TITLE_LINE: f64 = 30.0;
const GROUP_GAP: f64 = 12.0;
const GROUP_LINE: f64 = 22.0;
const BAR: f64 = 26.0;
const BAR_THICKNESS: f64 = 16.0;
/// Numbers and unit of the axis.
const AXIS: f64 = 54.0;
const LINE: f64 = 18.0;

const TITLE_STYLE: Style = Style { size: 22.0, colour: INK, bold: true };
const GROUP_STYLE: Style = Style { size: 15.0, colour: INK, bold: true };
const LABEL_STYLE: Style = Style { size: 13.0, colour: INK, bold: false };
const FAINT_STYLE: Style = Style { size: 12.0, colour: FAINT_INK, bold: false };

impl BarChart {
    /// The whole picture.
    pub(super) fn svg(&self) -> Result<String, String> {
        let columns = Columns::of(self);
        let place = Place { canvas: None, columns: &columns, top: TOP };
        let height = self.draw(place)?;
        let mut svg = String::new();
        let canvas = Canvas::new(&mut svg, (pixels(columns.width)?, pixels(height)?))?;
        self.draw(Place { canvas: Some(&canvas), columns: &columns, top: TOP })?;
        canvas.finish()?;
        Ok(canvas::described(&svg, &self.title, &self.description()))
    }

    /// Returns where the picture ends.
    fn draw(&self, mut place: Place<'_, '_>) -> Result<f64, String> {
        let scale = Scale::for_values(self.bars().map(|bar| bar.value.most));
        place.paragraph(&self.title, TITLE_STYLE, TITLE_LINE)?;
        place.paragraph(&self.subtitle, FAINT_STYLE, LINE)?;
        self.draw_grid(&place, &scale)?;
        for group in &self.groups {
            place.top += GROUP_GAP;
            place.paragraph(&group.title, GROUP_STYLE, GROUP_LINE)?;
            for bar in &group.bars {
                bar.draw(&place, &scale)?;
                place.top += BAR;
            }
        }
        self.draw_axis(&place, &scale)?;
        place.top += AXIS;
        for paragraph in &self.caption {
            place.paragraph(paragraph, FAINT_STYLE, LINE)?;
        }
        Ok(place.top + TOP)
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }

    /// What the picture says, for those who cannot see it.
    fn description(&self) -> String {
        let bar = |bar: &Bar| format!("{}: {}", bar.label, bar.note);
        let groups = self.groups.iter().map(|group| {
            let bars: Vec<_> = group.bars.iter().map(bar).collect();
            format!("{}: {}.", group.title, bars.join("; "))
        });
        format!("{}. {}", self.subtitle, groups.collect::<Vec<_>>().join(" "))
    }

    /// Lines behind all bars.
    fn draw_grid(&self, place: &Place<'_, '_>, scale: &Scale) -> Result<(), String> {
        let available = place.columns.text();
        let group = |group: &Group| {
            let lines = text::lines(&group.title, GROUP_STYLE, available).len();
            GROUP_GAP
                + GROUP_LINE * f64::from(count(lines))
                + BAR * f64::from(count(group.bars.len()))
        };
        let bottom = place.top + self.groups.iter().map(group).sum::<f64>();
        scale.ticks().try_for_each(|tick| {
            let x = place.columns.x(scale, tick);
            place.line((x, place.top), (x, bottom), GRID)
        })
    }

    /// Numbers below the bars, and their unit.
    fn draw_axis(&self, place: &Place<'_, '_>, scale: &Scale) -> Result<(), String> {
        for tick in scale.ticks() {
            let at = (place.columns.x(scale, tick), place.top + 14.0);
            place.text(&scale.label(tick), at, Align::Centre, FAINT_STYLE)?;
        }
        let Columns { bars_start, bars_end, .. } = *place.columns;
        let at = (f64::midpoint(bars_start, bars_end), place.top + 34.0);
        place.text(&self.axis, at, Align::Centre, LABEL_STYLE)
    }
}

impl Bar {
    /// Draws the bar, which begins where the place is.
    fn draw(&self, place: &Place<'_, '_>, scale: &Scale) -> Result<(), String> {
        let (columns, middle) = (place.columns, place.top + BAR / 2.0);
        let half = BAR_THICKNESS / 2.0;
        let Summary { median, least, most } = self.value;
        place.text(&self.label, (columns.labels_end, middle), Align::Right, LABEL_STYLE)?;
        let from = (columns.bars_start, middle - half);
        place.rectangle(from, (columns.x(scale, median), middle + half), self.colour)?;
        let (least_x, most_x) = (columns.x(scale, least), columns.x(scale, most));
        if least < most {
            place.line((least_x, middle), (most_x, middle), INK)?;
            for end in [least_x, most_x] {
                place.line((end, middle - 4.0), (end, middle + 4.0), INK)?;
            }
        }
        place.text(&self.note, (most_x + GAP, middle), Align::Left, LABEL_STYLE)
    }
}

/// Where labels, bars and notes stand, so that the longest of each fits.
struct Columns {
    width: f64,
    labels_end: f64,
    bars_start: f64,
    /// Where the axis ends, with room for the longest note behind it.
    bars_end: f64,
}

impl Columns {
    fn of(chart: &BarChart) -> Columns {
        let widest = |text: fn(&Bar) -> &str| {
            let widths = chart.bars().map(|bar| text::width(text(bar), LABEL_STYLE));
            widths.fold(LEAST_LABELS, f64::max).ceil()
        };
        let (labels, notes) = (widest(|bar| &bar.label), widest(|bar| &bar.note));
        // The unit stands below the bars, in their middle.
        let unit = text::width(&chart.axis, LABEL_STYLE).ceil() - GAP - notes.min(labels) * 2.0;
        let around = MARGIN + labels + GAP + GAP + notes + MARGIN;
        let width = (around + unit.max(LEAST_BARS)).max(WIDTH);
        let labels_end = MARGIN + labels;
        let bars_end = width - MARGIN - notes - GAP;
        Columns { width, labels_end, bars_start: labels_end + GAP, bars_end }
    }

    /// How much room a line has.
    fn text(&self) -> f64 {
        self.width - 2.0 * MARGIN
    }

    fn x(&self, scale: &Scale, value: f64) -> f64 {
        self.bars_start + (self.bars_end - self.bars_start) * value / scale.end()
    }
}

/// Where the next thing is drawn, if anything is: without a canvas it is only found out how much
/// room everything takes.
#[derive(Clone, Copy)]
struct Place<'a, 'c> {
    canvas: Option<&'a Canvas<'c>>,
    columns: &'a Columns,
    top: f64,
}

impl Place<'_, '_> {
    /// Writes text from here on, in as many lines as it needs.
    fn paragraph(&mut self, text: &str, style: Style, height: f64) -> Result<(), String> {
        for line in text::lines(text, style, self.columns.text()) {
            self.text(&line, (MARGIN, self.top + height / 2.0), Align::Left, style)?;
            self.top += height;
        }
        Ok(())
    }

    fn text(&self, text: &str, at: (f64, f64), align: Align, style: Style) -> Result<(), String> {
        self.canvas.map_or(Ok(()), |canvas| canvas.text(text, at, align, style))
    }

    fn line(&self, from: (f64, f64), to: (f64, f64), colour: Colour) -> Result<(), String> {
        self.canvas.map_or(Ok(()), |canvas| canvas.line(from, to, colour))
    }

    fn rectangle(&self, from: (f64, f64), to: (f64, f64), colour: Colour) -> Result<(), String> {
        self.canvas.map_or(Ok(()), |canvas| canvas.rectangle(from, to, colour))
    }
}

/// From 0 to a round number.
struct Scale {
    step: f64,
    steps: u16,
}

impl Scale {
    /// The finest round steps of which no more than eight are needed.
    fn for_values(values: impl Iterator<Item = f64>) -> Scale {
        let most = values.fold(0.0, f64::max).max(0.01);
        let steps =
            (-2..9).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)));
        let step = steps.into_iter().find(|step| most / step <= 8.0).unwrap_or(most);
        let steps = (1..=8).find(|count| f64::from(*count) * step >= most).unwrap_or(8);
        Scale { step, steps }
    }

    fn end(&self) -> f64 {
        self.step * f64::from(self.steps)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (0..=self.steps).map(|count| f64::from(count) * self.step)
    }

    fn label(&self, tick: f64) -> String {
        let digits = if self.step < 0.1 { 2 } else { usize::from(self.step < 1.0) };
        format!("{tick:.digits$}")
    }
}

fn count(items: usize) -> u16 {
    u16::try_from(items).unwrap_or(u16::MAX)
}

/// The side of a picture.
fn pixels(length: f64) -> Result<u16, String> {
    let all = 0..=u16::MAX;
    // Lengths are whole numbers but for rounding.
    all.into_iter().find(|it| f64::from(*it) >= length).ok_or("too many bars".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_the_first_step_that_holds_all_values() {
        let axis = |value: f64| {
            let scale = Scale::for_values([0.1, value].into_iter());
            (scale.step, scale.steps)
        };
        assert_eq!(axis(8.0), (1.0, 8));
        assert_eq!(axis(8.1), (2.0, 5));
        assert_eq!(axis(1.05), (0.2, 6));
        assert_eq!(axis(0.1), (0.02, 5));
    }

    #[test]
    fn what_has_no_spread_has_no_whisker() {
        let chart = |least| BarChart {
            title: String::new(),
            subtitle: String::new(),
            axis: String::new(),
            groups: vec![Group {
                title: "group".to_owned(),
                bars: vec![Bar {
                    label: "label".to_owned(),
                    value: Summary { median: 2.0, least, most: 2.0 },
                    note: "note".to_owned(),
                    colour: INK,
                }],
            }],
            caption: Vec::new(),
        };
        let lines = |least| chart(least).svg().unwrap().matches("<polyline").count();
        assert_eq!(lines(2.0) + 3, lines(1.5));
    }
}

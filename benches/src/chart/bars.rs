//! Horizontal bars in groups over one axis, each with its spread and its figures beside it.

use crate::statistics::Summary;

use super::canvas::{Align, Canvas, Colour, FAINT_INK, GRID, INK, Style};

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
const WIDTH: u16 = 900;
const MARGIN: f64 = 28.0;
const LABELS_END: f64 = 222.0;
const BARS_START: f64 = 232.0;
/// Where the axis ends, with room for the longest note behind it.
const BARS_END: f64 = 660.0;
/// Title and subtitle.
const HEAD: u16 = 84;
const GROUP_TITLE: u16 = 34;
const BAR: u16 = 26;
const BAR_THICKNESS: f64 = 16.0;
const GROUP_GAP: u16 = 10;
/// Numbers and unit of the axis.
const AXIS: u16 = 54;
const CAPTION_LINE: u16 = 18;
const FOOT: u16 = 18;

const TITLE_STYLE: Style = Style { size: 22.0, colour: INK, bold: true };
const GROUP_STYLE: Style = Style { size: 15.0, colour: INK, bold: true };
const LABEL_STYLE: Style = Style { size: 13.0, colour: INK, bold: false };
const FAINT_STYLE: Style = Style { size: 12.0, colour: FAINT_INK, bold: false };

impl BarChart {
    /// The whole picture.
    pub(super) fn svg(&self) -> Result<String, String> {
        let mut svg = String::new();
        let canvas = Canvas::new(&mut svg, (WIDTH, self.height()?))?;
        canvas.text(&self.title, (MARGIN, 34.0), Align::Left, TITLE_STYLE)?;
        canvas.text(&self.subtitle, (MARGIN, 62.0), Align::Left, FAINT_STYLE)?;
        let scale = Scale::for_values(self.bars().map(|bar| bar.value.most));
        let bottom = self.draw_axis(&canvas, &scale)?;
        let mut top = f64::from(HEAD);
        for group in &self.groups {
            top = group.draw(&canvas, &scale, top)?;
        }
        for (index, line) in (0_u16..).zip(&self.caption) {
            let y = bottom + f64::from(AXIS + index * CAPTION_LINE) + 8.0;
            canvas.text(line, (MARGIN, y), Align::Left, FAINT_STYLE)?;
        }
        canvas.finish()?;
        Ok(svg)
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }

    fn height(&self) -> Result<u16, String> {
        let caption = count(self.caption.len())?.saturating_mul(CAPTION_LINE);
        Ok(self.body_height()?.saturating_add(HEAD + AXIS + FOOT).saturating_add(caption))
    }

    /// Of all groups.
    fn body_height(&self) -> Result<u16, String> {
        let groups = count(self.groups.len())?.saturating_mul(GROUP_TITLE + GROUP_GAP);
        Ok(count(self.bars().count())?.saturating_mul(BAR).saturating_add(groups))
    }

    /// Lines behind the bars, and below them the numbers; returns where the bars end.
    fn draw_axis(&self, canvas: &Canvas<'_>, scale: &Scale) -> Result<f64, String> {
        let (top, bottom) = (f64::from(HEAD), f64::from(HEAD + self.body_height()?));
        for tick in scale.ticks() {
            let x = scale.x(tick);
            canvas.line((x, top), (x, bottom), GRID)?;
            canvas.text(&scale.label(tick), (x, bottom + 14.0), Align::Centre, FAINT_STYLE)?;
        }
        let middle = f64::midpoint(BARS_START, BARS_END);
        canvas.text(&self.axis, (middle, bottom + 34.0), Align::Centre, LABEL_STYLE)?;
        Ok(bottom)
    }
}

impl Group {
    /// Returns where the next one begins.
    fn draw(&self, canvas: &Canvas<'_>, scale: &Scale, top: f64) -> Result<f64, String> {
        canvas.text(&self.title, (MARGIN, top + 18.0), Align::Left, GROUP_STYLE)?;
        let mut middle = top + f64::from(GROUP_TITLE) + f64::from(BAR) / 2.0;
        for bar in &self.bars {
            bar.draw(canvas, scale, middle)?;
            middle += f64::from(BAR);
        }
        Ok(middle - f64::from(BAR) / 2.0 + f64::from(GROUP_GAP))
    }
}

impl Bar {
    fn draw(&self, canvas: &Canvas<'_>, scale: &Scale, middle: f64) -> Result<(), String> {
        let half = BAR_THICKNESS / 2.0;
        let Summary { median, least, most } = self.value;
        canvas.text(&self.label, (LABELS_END, middle), Align::Right, LABEL_STYLE)?;
        let (from, to) = ((BARS_START, middle - half), (scale.x(median), middle + half));
        canvas.rectangle(from, to, self.colour)?;
        if least < most {
            let (least, most) = (scale.x(least), scale.x(most));
            canvas.line((least, middle), (most, middle), INK)?;
            for end in [least, most] {
                canvas.line((end, middle - 4.0), (end, middle + 4.0), INK)?;
            }
        }
        canvas.text(&self.note, (scale.x(most) + 8.0, middle), Align::Left, LABEL_STYLE)
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

    fn x(&self, value: f64) -> f64 {
        let end = self.step * f64::from(self.steps);
        BARS_START + (BARS_END - BARS_START) * value / end
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (0..=self.steps).map(|count| f64::from(count) * self.step)
    }

    fn label(&self, tick: f64) -> String {
        let digits = if self.step < 0.1 { 2 } else { usize::from(self.step < 1.0) };
        format!("{tick:.digits$}")
    }
}

fn count(items: usize) -> Result<u16, String> {
    // So few that the height of all of them is a u16 too.
    u16::try_from(items).ok().filter(|items| *items < 1000).ok_or("too many bars".to_owned())
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

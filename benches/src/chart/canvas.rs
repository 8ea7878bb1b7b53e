//! Bars, lines and text at places in pixels from the top left.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{
    Cartesian2d, DrawingArea, IntoDrawingArea, IntoFont, PathElement, RGBColor, Rectangle,
    SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, TextStyle};

/// Red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour(pub(super) u8, pub(super) u8, pub(super) u8);

const PAPER: Colour = Colour(255, 255, 255);
pub(super) const INK: Colour = Colour(32, 33, 36);
pub(super) const FAINT_INK: Colour = Colour(95, 99, 104);
pub(super) const GRID: Colour = Colour(225, 227, 230);

/// Where text stands.
#[derive(Clone, Copy)]
pub(super) enum Align {
    /// The text begins at its place.
    Left,
    /// The middle of the text is at its place.
    Centre,
    /// The text ends at its place.
    Right,
}

/// How text looks.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// In pixels.
    pub(super) size: f64,
    pub(super) colour: Colour,
    pub(super) bold: bool,
}

/// White paper; [`described`] makes it dark on dark pages.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
}

type Drawn = Result<(), String>;

impl<'a> Canvas<'a> {
    pub(super) fn new(
        svg: &'a mut String,
        (width, height): (u16, u16),
    ) -> Result<Canvas<'a>, String> {
        let root = SVGBackend::with_string(svg, (width.into(), height.into())).into_drawing_area();
        root.fill(&rgb(PAPER)).map_err(|error| error.to_string())?;
        let pixels = (0..i32::from(width), 0..i32::from(height));
        let coordinates = Cartesian2d::new(0.0..f64::from(width), 0.0..f64::from(height), pixels);
        Ok(Canvas { area: root.apply_coord_spec(coordinates) })
    }

    pub(super) fn rectangle(&self, from: (f64, f64), to: (f64, f64), colour: Colour) -> Drawn {
        let element = Rectangle::new([from, to], rgb(colour).filled());
        self.area.draw(&element).map_err(|error| error.to_string())
    }

    pub(super) fn line(&self, from: (f64, f64), to: (f64, f64), colour: Colour) -> Drawn {
        let element = PathElement::new(vec![from, to], rgb(colour).stroke_width(1));
        self.area.draw(&element).map_err(|error| error.to_string())
    }

    /// Writes text whose vertical middle is at `at`.
    pub(super) fn text(&self, text: &str, at: (f64, f64), align: Align, style: Style) -> Drawn {
        let horizontal = match align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        let weight = if style.bold { FontStyle::Bold } else { FontStyle::Normal };
        let colour = rgb(style.colour);
        // The backend takes the height of a line for the size.
        let font = ("sans-serif", style.size * 1.24).into_font().style(weight);
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(horizontal, VPos::Center));
        let element = Text::new(text.to_owned(), at, style);
        self.area.draw(&element).map_err(|error| error.to_string())
    }

    pub(super) fn finish(self) -> Drawn {
        self.area.present().map_err(|error| error.to_string())
    }
}

/// The picture with a title and a description for those who cannot see it, and with other colours
/// where the page is dark.
pub(super) fn described(svg: &str, title: &str, description: &str) -> String {
    let Some((head, body)) = svg.split_once(">\n") else { return svg.to_owned() };
    let (title, description) = (escaped(title), escaped(description));
    let dark: String = DARK
        .iter()
        .map(|(what, light, dark)| {
            let Colour(red, green, blue) = light;
            format!("{what}=\"#{red:02X}{green:02X}{blue:02X}\"]{{{dark}}}")
        })
        .collect();
    format!(
        "{head} role=\"img\">\n<title>{title}</title>\n<desc>{description}</desc>\n<style>\
         @media (prefers-color-scheme: dark) {{{dark}}}</style>\n{body}"
    )
}

/// Which elements have another colour on dark pages, by their colour on others: paper, text, and
/// lines. Bars keep theirs, which can be told apart on both.
const DARK: [(&str, Colour, &str); 5] = [
    ("rect[fill", PAPER, "fill:#0D1117"),
    ("text[fill", INK, "fill:#E6EDF3"),
    ("text[fill", FAINT_INK, "fill:#9DA7B3"),
    ("polyline[stroke", INK, "stroke:#E6EDF3"),
    ("polyline[stroke", GRID, "stroke:#30363D"),
];

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn rgb(Colour(red, green, blue): Colour) -> RGBColor {
    RGBColor(red, green, blue)
}

//! Arrows between the files of a crate, and between the rooms that one file declares.

use std::collections::BTreeMap;
use std::fmt;

use super::circles;
use super::mentions::{Kind, Mention};
use super::names::Target;
use super::table;
use super::tree::{Crate, FileId, ModuleId};

/// Which files of a crate name what is defined in which others.
pub(crate) struct Graph {
    tree: Crate,
    arrows: BTreeMap<(FileId, FileId), Arrow>,
}

/// The first place in a file that names something of another.
#[derive(Clone)]
pub(crate) struct Arrow {
    line: usize,
    path: String,
}

/// An arrow between two rooms of a folder: what stands for each, and the files that tie them.
pub(crate) type Tie = (FileId, FileId);

impl Graph {
    pub(crate) fn of(tree: Crate) -> Self {
        let mut arrows = BTreeMap::<_, Arrow>::new();
        for (id, module) in tree.modules.iter().enumerate() {
            for mention in &module.mentions {
                let Some(to) = defining_file(&tree, id, mention) else { continue };
                let arrow = Arrow { line: mention.line, path: mention.path.join("::") };
                let first = arrows.entry((module.file, to)).or_insert_with(|| arrow.clone());
                if arrow.line < first.line {
                    *first = arrow;
                }
            }
        }
        arrows.retain(|(from, to), _| from != to);
        Self { tree, arrows }
    }

    /// Every circle, with the lines that close it.
    pub(crate) fn circles(&self) -> Vec<String> {
        self.levels().values().flat_map(|ties| self.circles_of(ties)).collect()
    }

    /// The arrows between the top rooms, by their names, each with a line that shows it.
    pub(crate) fn top(&self) -> BTreeMap<(&str, &str), String> {
        let ties = self.levels().remove(&0).unwrap_or_default();
        let named = |((from, to), files)| ((self.name(from), self.name(to)), self.line(files));
        ties.into_iter().map(named).collect()
    }

    /// Names of the top rooms.
    pub(crate) fn rooms(&self) -> Vec<&str> {
        let files = self.tree.files.iter().filter(|file| file.face == Some(0));
        files.map(|file| file.name.as_str()).collect()
    }

    /// For each face the arrows between the rooms it declares, each with two files that tie them.
    fn levels(&self) -> BTreeMap<FileId, BTreeMap<(FileId, FileId), Tie>> {
        let mut levels = BTreeMap::<_, BTreeMap<_, _>>::new();
        for &(from, to) in self.arrows.keys() {
            if let Some((face, rooms)) = self.rooms_of(from, to) {
                levels.entry(face).or_default().entry(rooms).or_insert((from, to));
            }
        }
        levels
    }

    /// The lowest face over both files, and the rooms below it in which they are. Between a face
    /// and what is below it there is none.
    fn rooms_of(&self, from: FileId, to: FileId) -> Option<(FileId, (FileId, FileId))> {
        let (from, to) = (self.way(from), self.way(to));
        let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
        Some((from[shared - 1], (*from.get(shared)?, *to.get(shared)?)))
    }

    /// The file, and all faces over it, from the root down.
    fn way(&self, file: FileId) -> Vec<FileId> {
        let mut way = vec![file];
        while let Some(face) = self.tree.files[way[way.len() - 1]].face {
            way.push(face);
        }
        way.reverse();
        way
    }

    fn circles_of(&self, ties: &BTreeMap<(FileId, FileId), Tie>) -> Vec<String> {
        let arrows = ties.keys().copied().collect();
        circles::find(&arrows).iter().map(|found| self.show(found, ties)).collect()
    }

    fn show(&self, found: &circles::Circle, ties: &BTreeMap<(FileId, FileId), Tie>) -> String {
        let names =
            |rooms: &[FileId]| -> Vec<_> { rooms.iter().map(|&room| self.name(room)).collect() };
        let mut text = format!("circle: {}", names(&found.shortest).join(" -> "));
        if found.members.len() + 1 > found.shortest.len() {
            text +=
                &format!(" (of all that import each other: {})", names(&found.members).join(" "));
        }
        for pair in found.shortest.windows(2) {
            text += &format!("\n    {}", self.line(ties[&(pair[0], pair[1])]));
        }
        text
    }

    fn name(&self, file: FileId) -> &str {
        &self.tree.files[file].name
    }

    /// One arrow as `file:line: names path, of file`.
    fn line(&self, (from, to): Tie) -> String {
        let arrow = &self.arrows[&(from, to)];
        let [from, to] = [from, to].map(|file| self.tree.files[file].path.display());
        format!("{from}:{}: names {}, of {to}", arrow.line, arrow.path)
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.tree.files[0].path.display())?;
        for &tie in self.arrows.keys() {
            writeln!(f, "    {}", self.line(tie))?;
        }
        let top = self.top();
        for (from, to) in top.keys() {
            writeln!(f, "    {from} -> {to}")?;
        }
        for line in table::flattest(&self.rooms(), &top.keys().copied().collect()) {
            writeln!(f, "    | {line}")?;
        }
        Ok(())
    }
}

/// The file that defines what is mentioned. A module that is named is not used yet; what is taken
/// from it is another mention. Only a glob may use it without a further word.
fn defining_file(tree: &Crate, module: ModuleId, mention: &Mention) -> Option<FileId> {
    match tree.target(module, &mention.path)? {
        Target::Item(file) => Some(file),
        Target::Module(named) if mention.kind == Kind::Glob => Some(tree.modules[named].file),
        Target::Module(_) => None,
    }
}

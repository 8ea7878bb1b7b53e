//! From a path to what it names, through imports and re-exports to the file that defines it.

use super::mentions::Kind;
use super::tree::{Crate, FileId, ModuleId};

/// What a path of the crate leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    Module(ModuleId),
    /// Something that is defined in this file.
    Item(FileId),
}

impl Crate {
    /// What `path` means in the module `from`; nothing, if it leads out of the crate.
    pub(crate) fn target(&self, from: ModuleId, path: &[String]) -> Option<Target> {
        Resolver { modules: self, open: Vec::new() }.path(from, path)
    }
}

struct Resolver<'a> {
    modules: &'a Crate,
    /// Names that are being looked up: an import that leads back to itself means another crate.
    open: Vec<(ModuleId, String)>,
}

impl Resolver<'_> {
    fn path(&mut self, from: ModuleId, path: &[String]) -> Option<Target> {
        let mut here = Target::Module(from);
        for (index, name) in path.iter().enumerate() {
            // What follows an item belongs to it: a variant, a constant, a method.
            let Target::Module(module) = here else { break };
            here = match name.as_str() {
                "crate" => Target::Module(0),
                "self" => here,
                "super" => Target::Module(self.modules.modules[module].parent?),
                name => self.name(module, name, index + 1 == path.len())?,
            };
        }
        Some(here)
    }

    /// What `name` is in `module`. Modules and functions may share a name: only a module has
    /// something after it.
    fn name(&mut self, module: ModuleId, name: &str, last: bool) -> Option<Target> {
        let key = (module, name.to_owned());
        if self.open.contains(&key) {
            return None;
        }
        self.open.push(key);
        let found = self.defined(module, name, last).or_else(|| self.imported(module, name, last));
        self.open.pop();
        found
    }

    fn defined(&self, module: ModuleId, name: &str, last: bool) -> Option<Target> {
        let module = &self.modules.modules[module];
        let item = module.items.contains(name).then_some(Target::Item(module.file));
        let child = module.children.get(name).copied().map(Target::Module);
        if last { item.or(child) } else { child.or(item) }
    }

    fn imported(&mut self, module: ModuleId, name: &str, last: bool) -> Option<Target> {
        let mentions = &self.modules.modules[module].mentions;
        let named = |kind: &Kind| matches!(kind, Kind::Import(bound) if bound == name);
        for import in mentions.iter().filter(|mention| named(&mention.kind)) {
            if let Some(target) = self.path(module, &import.path) {
                return Some(target);
            }
        }
        for glob in mentions.iter().filter(|mention| mention.kind == Kind::Glob) {
            if let Some(Target::Module(from)) = self.path(module, &glob.path)
                && let Some(target) = self.name(from, name, last)
            {
                return Some(target);
            }
        }
        None
    }
}

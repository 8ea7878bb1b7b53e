//! A crate as its modules: which file holds which, what each declares and what it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, Meta};

use super::mentions::{self, Mention};
use super::pruned;

/// The text of files, by their path.
pub(crate) type Sources = BTreeMap<PathBuf, String>;

/// The index of a file in [`Crate::files`].
pub(crate) type FileId = usize;

/// The index of a module in [`Crate::modules`]; 0 is the crate's root.
pub(crate) type ModuleId = usize;

/// What a crate is made of.
pub(crate) struct Crate {
    pub(crate) files: Vec<File>,
    pub(crate) modules: Vec<Module>,
}

/// One file of a crate.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// Name of the module that the file is.
    pub(crate) name: String,
    /// The file that declares it as a module; the root has none.
    pub(crate) face: Option<FileId>,
}

/// One module: a file, or a block within one.
pub(crate) struct Module {
    pub(crate) file: FileId,
    pub(crate) parent: Option<ModuleId>,
    pub(crate) children: BTreeMap<String, ModuleId>,
    /// Names of everything else that is defined here.
    pub(crate) items: BTreeSet<String>,
    pub(crate) mentions: Vec<Mention>,
}

impl Crate {
    /// Reads the crate whose root is the file `root`.
    pub(crate) fn read(root: &Path, sources: &Sources) -> Self {
        let mut reader = Reader { sources, files: Vec::new(), modules: Vec::new() };
        let folder = root.parent().expect("a file in a folder").to_owned();
        let module = reader.add_file(root.to_owned(), "crate", None);
        reader.read_file(module, &folder);
        Self { files: reader.files, modules: reader.modules }
    }
}

struct Reader<'a> {
    sources: &'a Sources,
    files: Vec<File>,
    modules: Vec<Module>,
}

/// Where the modules that a module declares are looked for.
struct Folders {
    /// Of `mod name;`.
    modules: PathBuf,
    /// Of `#[path]`.
    paths: PathBuf,
}

impl Reader<'_> {
    fn add_file(&mut self, path: PathBuf, name: &str, parent: Option<ModuleId>) -> ModuleId {
        let face = parent.map(|parent| self.modules[parent].file);
        self.files.push(File { path, name: name.to_owned(), face });
        self.add_module(self.files.len() - 1, name, parent)
    }

    fn add_module(&mut self, file: FileId, name: &str, parent: Option<ModuleId>) -> ModuleId {
        let id = self.modules.len();
        let (children, items, mentions) = Default::default();
        self.modules.push(Module { file, parent, children, items, mentions });
        if let Some(parent) = parent {
            self.modules[parent].children.insert(name.to_owned(), id);
        }
        id
    }

    /// Reads the file of `module`, whose children stand in `folder`.
    fn read_file(&mut self, module: ModuleId, folder: &Path) {
        let path = &self.files[self.modules[module].file].path;
        let text = self.sources.get(path).unwrap_or_else(|| panic!("no file {}", path.display()));
        let parsed = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let paths = path.parent().expect("a file in a folder").to_owned();
        if !pruned::only_for_tests(&parsed.attrs) {
            self.read_items(module, &parsed.items, &Folders { modules: folder.to_owned(), paths });
        }
    }

    fn read_items(&mut self, module: ModuleId, items: &[Item], folders: &Folders) {
        for item in items.iter().filter(|item| !pruned::only_for_tests(pruned::attributes(item))) {
            if let Item::Mod(child) = item {
                self.read_child(module, child, folders);
            } else {
                self.modules[module].items.extend(name_of(item));
            }
            self.modules[module].mentions.extend(mentions::of(item));
        }
    }

    fn read_child(&mut self, parent: ModuleId, child: &ItemMod, folders: &Folders) {
        let name = mentions::plain(&child.ident);
        let path = path_attribute(&child.attrs);
        if let Some((_, items)) = &child.content {
            let module = self.add_module(self.modules[parent].file, &name, Some(parent));
            let folder = folders.modules.join(path.unwrap_or(name));
            self.read_items(module, items, &Folders { paths: folder.clone(), modules: folder });
            return;
        }
        let (file, folder) = match path {
            // A file of another crate, whose own arrows are judged there.
            Some(path) if path.starts_with("../../") => {
                self.modules[parent].items.insert(name);
                return;
            }
            Some(path) => {
                let file = folders.paths.join(path);
                (file.clone(), file.parent().expect("a file in a folder").to_owned())
            }
            None => self.find(&folders.modules, &name),
        };
        let module = self.add_file(file, &name, Some(parent));
        self.read_file(module, &folder);
    }

    /// The file of `mod name;`, and the folder of what that declares.
    fn find(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let own = folder.join(name);
        let beside = folder.join(format!("{name}.rs"));
        let file = if self.sources.contains_key(&beside) { beside } else { own.join("mod.rs") };
        (file, own)
    }
}

/// The name that an item gives to its module; imports and blocks give none.
fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(mentions::plain(ident))
}

/// The path in `#[path = "..."]`.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

//! The interface as the sources of the library state it.

use std::collections::BTreeMap;

use syn::{Fields, FnArg, Item, Pat, PointerMutability, ReturnType, Signature, Type};

use super::stage::crate_dir;

/// Structs, functions and constants that C sees.
#[derive(Default)]
pub(crate) struct Source {
    /// Name to fields and their types in C, arrays with their length.
    pub(crate) structs: BTreeMap<String, Vec<(String, Field)>>,
    /// Name to a prototype in C, without a semicolon.
    pub(crate) functions: BTreeMap<String, String>,
    /// Named numbers: flags, and what is found.
    pub(crate) constants: Vec<(String, String)>,
    /// The numbers of errors, by their names.
    pub(crate) codes: Vec<(String, String)>,
}

/// What lies in a struct: the size and the alignment of one, and how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) size: usize,
    pub(crate) count: usize,
}

/// Reads all files of the library.
pub(crate) fn read() -> Source {
    let mut source = Source::default();
    let mut paths: Vec<_> = std::fs::read_dir(crate_dir().join("src")).unwrap().collect();
    paths.sort_by_key(|entry| entry.as_ref().unwrap().path());
    for entry in paths {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let file = syn::parse_file(&text).unwrap();
        file.items.iter().for_each(|item| source.take(item));
    }
    source
}

impl Source {
    fn take(&mut self, item: &Item) {
        match item {
            Item::Struct(item) if has(&item.attrs, "repr") => {
                let Fields::Named(fields) = &item.fields else {
                    panic!("{} has no names", item.ident)
                };
                let field = |field: &syn::Field| {
                    (field.ident.as_ref().unwrap().to_string(), field_of(&field.ty))
                };
                let fields = fields.named.iter().map(field).collect();
                self.structs.insert(item.ident.to_string(), fields);
            }
            Item::Fn(item) if item.sig.abi.is_some() => {
                self.functions.insert(item.sig.ident.to_string(), prototype(&item.sig));
            }
            Item::Const(item) => {
                let number = tokens(&*item.expr).replace(' ', "");
                if number.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) {
                    self.constants.push((item.ident.to_string(), number));
                }
            }
            Item::Enum(item) if item.ident == "Code" => {
                for variant in &item.variants {
                    let (_, number) = variant.discriminant.as_ref().unwrap();
                    let number = tokens(number).replace(' ', "");
                    self.codes.push((upper(&variant.ident.to_string()), number));
                }
            }
            _ => {}
        }
    }
}

fn has(attributes: &[syn::Attribute], name: &str) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident(name))
}

/// `NoRoom` as `NO_ROOM`.
fn upper(name: &str) -> String {
    let mut upper = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_uppercase() && index > 0 {
            upper.push('_');
        }
        upper.push(letter.to_ascii_uppercase());
    }
    upper
}

fn field_of(ty: &Type) -> Field {
    if let Type::Array(array) = ty {
        let Field { size, count } = field_of(&array.elem);
        let len: usize = tokens(&array.len).parse().unwrap();
        return Field { size, count: count * len };
    }
    let size = match tokens(ty).as_str() {
        "u8" | "c_char" => 1,
        "u32" | "i32" | "c_int" => 4,
        "u64" => 8,
        "usize" => size_of::<usize>(),
        text if text.starts_with('*') || text.starts_with("Option") => size_of::<usize>(),
        other => panic!("{other} has no size here"),
    };
    Field { size, count: 1 }
}

fn prototype(function: &Signature) -> String {
    let result = match &function.output {
        ReturnType::Default => "void".to_owned(),
        ReturnType::Type(_, ty) => c_type(ty),
    };
    let argument = |argument: &FnArg| {
        let FnArg::Typed(argument) = argument else { panic!("self in {}", function.ident) };
        let Pat::Ident(name) = &*argument.pat else { panic!("a pattern in {}", function.ident) };
        match &*argument.ty {
            Type::Ptr(pointer) if matches!(&*pointer.elem, Type::Array(_)) => {
                let Type::Array(array) = &*pointer.elem else { unreachable!() };
                format!("{} {}[{}]", c_type(&array.elem), name.ident, tokens(&array.len))
            }
            _ => format!("{} {}", c_type(&argument.ty), name.ident),
        }
    };
    let arguments: Vec<_> = function.inputs.iter().map(argument).collect();
    let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments.join(", ") };
    format!("{result} {}({arguments})", function.ident)
}

/// A type of Rust as C writes it.
fn c_type(ty: &Type) -> String {
    match ty {
        Type::Ptr(pointer) => {
            let pointee = c_type(&pointer.elem);
            let constant = if matches!(pointer.mutability, PointerMutability::Const(_)) {
                " const"
            } else {
                ""
            };
            format!("{pointee}{constant} *")
        }
        other => match tokens(other).as_str() {
            "u8" => "uint8_t".into(),
            "u32" => "uint32_t".into(),
            "i32" => "int32_t".into(),
            "u64" => "uint64_t".into(),
            "usize" => "size_t".into(),
            "c_int" => "int".into(),
            "c_char" => "char".into(),
            "c_void" => "void".into(),
            "Option < FoundCall >" => "verity_found".into(),
            name if name.starts_with("verity_") => name.into(),
            unknown => panic!("{unknown} has no name in C here"),
        },
    }
}

fn tokens(part: &impl ToTokens) -> String {
    part.to_text()
}

/// The text of a part of a source.
trait ToTokens {
    fn to_text(&self) -> String;
}

impl ToTokens for Type {
    fn to_text(&self) -> String {
        match self {
            Type::Path(path) => {
                let segment = path.path.segments.last().unwrap();
                match &segment.arguments {
                    syn::PathArguments::AngleBracketed(arguments) => {
                        let Some(syn::GenericArgument::Type(inner)) = arguments.args.first() else {
                            panic!("{} of what?", segment.ident)
                        };
                        format!("{} < {} >", segment.ident, inner.to_text())
                    }
                    _ => segment.ident.to_string(),
                }
            }
            Type::Ptr(_) => "*".to_owned(),
            _ => "?".to_owned(),
        }
    }
}

impl ToTokens for syn::Expr {
    fn to_text(&self) -> String {
        match self {
            syn::Expr::Lit(literal) => match &literal.lit {
                syn::Lit::Int(number) => number.base10_digits().to_owned(),
                _ => "?".to_owned(),
            },
            syn::Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => {
                format!("-{}", unary.expr.to_text())
            }
            _ => "?".to_owned(),
        }
    }
}

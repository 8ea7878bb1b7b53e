//! A second, careless DER encoder: takes any encoding apart into a tree and writes whatever the tree
//! says, so that messages can be built that no strict encoder would write.

/// One element: a tag byte and what is in it.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Primitive(u8, Vec<u8>),
    Constructed(u8, Vec<Node>),
    /// As constructed, with an indefinite length (BER).
    Indefinite(u8, Vec<Node>),
    /// As primitive, with a length of this many bytes, needed or not.
    LongLength(u8, Vec<u8>, usize),
}

impl Node {
    pub(crate) fn parse(der: &[u8]) -> Node {
        let (node, rest) = parse_one(der);
        assert!(rest.is_empty());
        node
    }

    /// The child reached by these indices.
    pub(crate) fn at(&mut self, path: &[usize]) -> &mut Node {
        path.iter().fold(self, |node, &index| &mut node.children()[index])
    }

    pub(crate) fn children(&mut self) -> &mut Vec<Node> {
        match self {
            Node::Constructed(_, children) | Node::Indefinite(_, children) => children,
            other => panic!("{other:?} has no children"),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Node::Primitive(_, bytes) => bytes.clone(),
            other => panic!("{other:?} is not primitive"),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Node::Primitive(tag, bytes) => tlv(*tag, bytes),
            Node::Constructed(tag, children) => tlv(*tag, &concat(children)),
            Node::Indefinite(tag, children) => {
                [&[*tag, 0x80], concat(children).as_slice(), &[0, 0]].concat()
            }
            Node::LongLength(tag, bytes, width) => {
                let length = &bytes.len().to_be_bytes()[8 - width..];
                [&[*tag, 0x80 | u8::try_from(*width).unwrap()], length, bytes].concat()
            }
        }
    }

    pub(crate) fn indefinite(&mut self) {
        let (tag, children) = match self {
            Node::Constructed(tag, children) => (*tag, children.clone()),
            other => panic!("{other:?} is not constructed"),
        };
        *self = Node::Indefinite(tag, children);
    }
}

fn concat(children: &[Node]) -> Vec<u8> {
    children.iter().flat_map(Node::encode).collect()
}

pub(crate) fn tlv(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len().to_be_bytes();
    let skip = length.iter().take_while(|&&byte| byte == 0).count();
    let mut out = vec![tag];
    match bytes.len() {
        0..0x80 => out.push(u8::try_from(bytes.len()).unwrap()),
        _ => {
            out.push(0x80 | u8::try_from(length.len() - skip).unwrap());
            out.extend(&length[skip..]);
        }
    }
    out.extend(bytes);
    out
}

fn parse_one(der: &[u8]) -> (Node, &[u8]) {
    let (tag, first) = (der[0], usize::from(der[1]));
    let (length, header) = match first {
        0..0x80 => (first, 2),
        _ => {
            let width = first & 0x7f;
            let length =
                der[2..2 + width].iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
            (length, 2 + width)
        }
    };
    let (value, rest) = der[header..].split_at(length);
    let node = match tag & 0x20 {
        0 => Node::Primitive(tag, value.to_vec()),
        _ => Node::Constructed(tag, parse_all(value)),
    };
    (node, rest)
}

fn parse_all(mut der: &[u8]) -> Vec<Node> {
    let mut nodes = Vec::new();
    while !der.is_empty() {
        let (node, rest) = parse_one(der);
        nodes.push(node);
        der = rest;
    }
    nodes
}

//! A second, careless DER encoder: takes any encoding apart into a tree and writes whatever the
//! tree says, so that messages can be built that no strict encoder would write.

/// One element: a tag byte and what is in it.
#[derive(Clone, Debug)]
pub enum Node {
    /// A value.
    Primitive(u8, Vec<u8>),
    /// Elements.
    Constructed(u8, Vec<Node>),
    /// As constructed, with an indefinite length (BER).
    Indefinite(u8, Vec<Node>),
    /// As primitive, with a length of this many bytes, needed or not.
    LongLength(u8, Vec<u8>, usize),
    /// Any bytes, whether they are an element or not.
    Raw(Vec<u8>),
}

impl Node {
    /// Takes an encoding apart.
    ///
    /// # Panics
    /// If it is not DER, or something follows.
    #[must_use]
    pub fn parse(der: &[u8]) -> Node {
        let (node, rest) = parse_one(der);
        assert!(rest.is_empty());
        node
    }

    /// The child reached by these indices.
    ///
    /// # Panics
    /// If there is no such child.
    pub fn at(&mut self, path: &[usize]) -> &mut Node {
        path.iter().fold(self, |node, &index| &mut node.children()[index])
    }

    /// The elements in it.
    ///
    /// # Panics
    /// If it is not constructed.
    pub fn children(&mut self) -> &mut Vec<Node> {
        match self {
            Node::Constructed(_, children) | Node::Indefinite(_, children) => children,
            other => panic!("{other:?} has no children"),
        }
    }

    /// The value.
    ///
    /// # Panics
    /// If it is not primitive.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Node::Primitive(_, bytes) => bytes.clone(),
            other => panic!("{other:?} is not primitive"),
        }
    }

    /// The indices that lead to this element and to all in it, as [`Node::at`] takes them.
    #[must_use]
    pub fn paths(&self) -> Vec<Vec<usize>> {
        let mut paths = vec![Vec::new()];
        if let Node::Constructed(_, children) | Node::Indefinite(_, children) = self {
            for (index, child) in children.iter().enumerate() {
                let below = child.paths().into_iter();
                paths.extend(below.map(|path| [vec![index], path].concat()));
            }
        }
        paths
    }

    /// The content, without tag and length.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        match self {
            Node::Primitive(_, bytes) | Node::LongLength(_, bytes, _) | Node::Raw(bytes) => {
                bytes.clone()
            }
            Node::Constructed(_, children) | Node::Indefinite(_, children) => concat(children),
        }
    }

    /// The bytes that the tree stands for.
    ///
    /// # Panics
    /// If a length of too many bytes is asked for.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Node::Primitive(tag, bytes) => tlv(*tag, bytes),
            Node::Constructed(tag, children) => tlv(*tag, &concat(children)),
            Node::Indefinite(tag, children) => {
                [&[*tag, 0x80], concat(children).as_slice(), &[0, 0]].concat()
            }
            Node::LongLength(tag, bytes, width) => {
                let length = &bytes.len().to_be_bytes()[8 - width..];
                [&[*tag, 0x80 | octet(*width)], length, bytes].concat()
            }
            Node::Raw(bytes) => bytes.clone(),
        }
    }

    /// Gives the element an indefinite length.
    ///
    /// # Panics
    /// If it is not constructed.
    pub fn indefinite(&mut self) {
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

/// One element: tag, shortest length, value.
#[must_use]
pub fn tlv(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len().to_be_bytes();
    let skip = length.iter().take_while(|&&byte| byte == 0).count();
    let mut out = vec![tag];
    match bytes.len() {
        0..0x80 => out.push(octet(bytes.len())),
        _ => {
            out.push(0x80 | octet(length.len() - skip));
            out.extend(&length[skip..]);
        }
    }
    out.extend(bytes);
    out
}

fn octet(number: usize) -> u8 {
    u8::try_from(number).expect("one octet")
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

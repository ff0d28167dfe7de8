//! A pipeline file as a tree that can be damaged and written again.

use std::fmt::Write as _;

use tenure::spec::tree::{Kind, Node};

/// A value of a file.
#[derive(Clone, Debug)]
pub enum Tree {
    /// A scalar as it is written, quotes included.
    Raw(String),
    Seq(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// The tree of a file that was read.
    pub fn of(node: &Node) -> Self {
        match &node.kind {
            Kind::Null => Self::Raw(String::new()),
            Kind::Scalar { text, plain: true } => Self::Raw(text.clone()),
            Kind::Scalar { text, plain: false } if text.contains('\n') => {
                Self::Raw(serde_json::json!(text).to_string())
            }
            Kind::Scalar { text, plain: false } => Self::Raw(format!("'{}'", text.replace('\'', "''"))),
            Kind::Seq(items) => Self::Seq(items.iter().map(Self::of).collect()),
            Kind::Map(entries) => Self::Map(entries.iter().map(|e| (e.key.clone(), Self::of(&e.value))).collect()),
        }
    }

    /// Number of values, this one included.
    pub fn size(&self) -> usize {
        1 + match self {
            Self::Raw(_) => 0,
            Self::Seq(items) => items.iter().map(Self::size).sum(),
            Self::Map(entries) => entries.iter().map(|(_, value)| value.size()).sum(),
        }
    }

    /// The value with that number, counted from the root down.
    pub fn at(&mut self, number: usize) -> &mut Self {
        let mut left = number;
        self.find(&mut left).expect("a number below the size")
    }

    fn find(&mut self, left: &mut usize) -> Option<&mut Self> {
        if *left == 0 {
            return Some(self);
        }
        *left -= 1;
        match self {
            Self::Raw(_) => None,
            Self::Seq(items) => items.iter_mut().find_map(|item| item.find(left)),
            Self::Map(entries) => entries.iter_mut().find_map(|(_, value)| value.find(left)),
        }
    }

    /// The values with children.
    pub fn parents(&self) -> Vec<usize> {
        fn walk(tree: &Tree, number: &mut usize, out: &mut Vec<usize>) {
            let own = *number;
            *number += 1;
            let before = *number;
            match tree {
                Tree::Raw(_) => {}
                Tree::Seq(items) => items.iter().for_each(|item| walk(item, number, out)),
                Tree::Map(entries) => entries.iter().for_each(|(_, value)| walk(value, number, out)),
            }
            if *number > before {
                out.push(own);
            }
        }
        let mut out = Vec::new();
        walk(self, &mut 0, &mut out);
        out
    }

    /// The file in block style, short lists and maps on one line.
    pub fn write(&self) -> String {
        let mut out = String::new();
        self.block(0, &mut out);
        out
    }

    fn flow(&self) -> Option<String> {
        let fits = |text: String| (text.len() < 90).then_some(text);
        match self {
            Self::Raw(text) if text.contains(['\n', ',', '{', '}', '[', ']', '#']) && !text.starts_with('\'') => None,
            Self::Raw(text) => Some(text.clone()),
            Self::Seq(items) => {
                let items = items.iter().map(Self::flow).collect::<Option<Vec<_>>>()?;
                fits(format!("[{}]", items.join(", ")))
            }
            Self::Map(entries) => {
                let entries =
                    entries.iter().map(|(k, v)| Some(format!("{k}: {}", v.flow()?))).collect::<Option<Vec<_>>>()?;
                fits(format!("{{{}}}", entries.join(", ")))
            }
        }
    }

    fn block(&self, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        // A value on the line of its key or dash, else on the lines below.
        let mut put = |head: String, value: &Self, line: Option<String>| {
            let _ = writeln!(out, "{pad}{head}{}", line.as_ref().map(|text| format!(" {text}")).unwrap_or_default());
            if line.is_none() {
                value.block(indent + 2, out);
            }
        };
        match self {
            Self::Seq(items) if !items.is_empty() => {
                for item in items {
                    put("-".to_owned(), item, item.flow());
                }
            }
            Self::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    let line = match value {
                        Self::Raw(text) => Some(text.clone()),
                        value => value.flow().filter(|_| indent > 0),
                    };
                    put(format!("{key}:"), value, line);
                }
            }
            Self::Raw(text) => {
                let _ = writeln!(out, "{pad}{text}");
            }
            Self::Seq(_) | Self::Map(_) => {
                let _ = writeln!(out, "{pad}{}", self.flow().unwrap_or_default());
            }
        }
    }
}

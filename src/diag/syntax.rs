//! Messages of group `T00`: the text is not YAML, or uses a part of YAML that is not supported.

use super::{Code, Diagnostic, Diagnostics, Span, did_you_mean, quote};

impl Diagnostics {
    /// The file holds nothing, or nothing but comments.
    pub fn empty_file(&mut self) {
        self.push(
            Diagnostic::error(Code::EmptyFile, "the file is empty")
                .at(Span::default())
                .help("a pipeline begins with `version: 1` and `pipeline: <name>`"),
        );
    }

    /// The text cannot be read as YAML; `what` is the mistake, `help` the likely repair.
    pub fn syntax(&mut self, at: Span, what: &str, help: &[&str]) {
        let mut message = Diagnostic::error(Code::Syntax, what).at(at);
        message.help = help.iter().map(ToString::to_string).collect();
        self.push(message);
    }

    /// A tab stands where spaces make the structure.
    pub fn tab(&mut self, at: Span) {
        self.push(Diagnostic::error(Code::Tab, "a tab is used as indentation").at(at).help("indent with spaces"));
    }

    /// `key` is given again in the same map; only the first is read on.
    pub fn duplicate_key(&mut self, at: Span, key: &str, first: Span) {
        self.push(
            Diagnostic::error(Code::DuplicateKey, format!("duplicate key {}", quote(key)))
                .at(at)
                .label("given again here")
                .also(first, "first given here")
                .help("rename or remove one of the two"),
        );
    }

    /// A key is empty, a list or a map.
    pub fn key_not_text(&mut self, at: Span) {
        self.push(
            Diagnostic::error(Code::KeyNotText, "a key must be a text")
                .at(at)
                .help("write `name: value`; a text that begins with `{`, `[` or `*` needs quotes"),
        );
    }

    /// A tag such as `!!str` or `!include`.
    pub fn tag(&mut self, at: Span, tag: &str) {
        self.push(
            Diagnostic::error(Code::Tag, format!("YAML tag {} is not supported", quote(tag)))
                .at(at)
                .help("remove the tag; the type of a value follows from its key"),
        );
    }

    /// A second document begins at `at`.
    pub fn second_document(&mut self, at: Span) {
        self.push(
            Diagnostic::error(Code::SecondDocument, "a second YAML document begins here")
                .at(at)
                .help("write one pipeline per file; remove this `---`"),
        );
    }

    /// `*name` without `&name` before it.
    pub fn unknown_anchor(&mut self, at: Span, name: &str, known: &[&str]) {
        let mut message =
            Diagnostic::error(Code::UnknownAnchor, format!("no anchor `&{name}` before this alias")).at(at);
        let looks_like_path = name.contains(['.', '/', '*']);
        if looks_like_path || known.is_empty() {
            message = message.help(format!("if a text was meant, quote it: `'*{name}'`"));
        } else {
            message.help.extend(did_you_mean(name, known, "anchors before it"));
        }
        self.push(message);
    }

    /// `*name` inside the value of `&name`.
    pub fn alias_loop(&mut self, at: Span, name: &str) {
        self.push(
            Diagnostic::error(Code::AliasLoop, format!("alias `*{name}` contains itself"))
                .at(at)
                .help(format!("move the alias out of the value that `&{name}` names")),
        );
    }

    /// Aliases of aliases make the file grow beyond any pipeline.
    pub fn alias_expansion(&mut self, at: Span) {
        self.push(
            Diagnostic::error(Code::AliasExpansion, "aliases expand to too many values")
                .at(at)
                .help("write fewer aliases to anchors that hold aliases themselves"),
        );
    }

    /// Values are nested deeper than `limit`.
    pub fn nesting(&mut self, at: Span, limit: usize) {
        self.push(
            Diagnostic::error(Code::Nesting, format!("values are nested more than {limit} deep"))
                .at(at)
                .help("no setting is that deep; check the indentation and brackets above"),
        );
    }

    /// `<<` with something else than a map, an alias of one, or a list of such.
    pub fn merge_not_map(&mut self, at: Span) {
        self.push(
            Diagnostic::error(Code::MergeNotMap, "a merge key `<<` takes a map or a list of maps")
                .at(at)
                .help("write `<<: *anchor`, where the anchor names a map"),
        );
    }
}

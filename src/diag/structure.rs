//! Messages of group `T01`, first part: keys, the shape of values, and settings.

use super::{Code, Diagnostic, Diagnostics, Span, brief, did_you_mean, inside, nearest, plural, quote, quote_all};

impl Diagnostics {
    /// `type: name` of a table is no metric.
    pub fn unknown_metric(&mut self, at: Span, name: &str, known: &[&str]) {
        let message = Diagnostic::error(Code::UnknownMetric, format!("unknown metric {}", quote(name))).at(at);
        self.push(match nearest(name, known) {
            Some(near) => message.help(format!("a metric with a similar name exists: {}", quote(near))),
            None => message.help("`tenure metrics` lists them all"),
        });
    }

    /// `key` is not among the keys allowed at `place` (a dotted path, empty for the top level).
    pub fn unknown_key(&mut self, at: Span, key: &str, place: &str, allowed: &[&str]) {
        let title = format!("unknown key {} {}", quote(key), inside(place));
        let mut message = Diagnostic::error(Code::UnknownKey, title).at(at);
        message.help.extend(did_you_mean(key, allowed, "allowed keys"));
        self.push(message);
    }

    /// The map at `place` lacks `key`; `help` says what to write.
    pub fn missing_key(&mut self, at: Span, key: &str, place: &str, help: Vec<String>) {
        let title = format!("missing key {} {}", quote(key), inside(place));
        let mut message = Diagnostic::error(Code::MissingKey, title).at(at);
        message.help = help;
        self.push(message);
    }

    /// The value of `key` is `found` where `expected` is wanted, such as `a list`.
    pub fn wrong_kind(&mut self, at: Span, key: &str, expected: &str, found: &str, help: Option<String>) {
        let kind = expected.split(" such as ").next().unwrap_or(expected);
        let title = match key {
            "" => format!("expected {kind}, found {found}"),
            _ => format!("{} must be {kind}, found {found}", quote(key)),
        };
        let mut message = Diagnostic::error(Code::WrongKind, title).at(at).label(format!("expected {expected}"));
        message.help.extend(help);
        self.push(message);
    }

    /// `key` has no value where `expected` is wanted.
    pub fn empty_value(&mut self, at: Span, key: &str, expected: &str) {
        let title = if key.is_empty() { "empty value".to_owned() } else { format!("{} is empty", quote(key)) };
        self.push(
            Diagnostic::error(Code::EmptyValue, title)
                .at(at)
                .label(format!("expected {expected}"))
                .help("give it a value, or remove it"),
        );
    }

    /// `value` is none of the words that `key` takes.
    pub fn unknown_choice(&mut self, at: Span, key: &str, value: &str, allowed: &[&str]) {
        let of = if key.is_empty() { String::new() } else { format!(" for {}", quote(key)) };
        let title = format!("unknown value {}{of}", quote(value));
        let mut message = Diagnostic::error(Code::UnknownChoice, title).at(at);
        message.help.extend(did_you_mean(value, allowed, "allowed values"));
        self.push(message);
    }

    /// `value` stands where `true` or `false` is wanted; YAML 1.1 words are named in the help.
    pub fn not_boolean(&mut self, at: Span, key: &str, value: &str) {
        let help = match value.trim_matches('\'').to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "true" | "1" => "write `true`",
            "no" | "off" | "n" | "false" | "0" => "write `false`",
            _ => "write `true` or `false`",
        };
        let title = format!("{} is not a boolean for {}", quote(value), quote(key));
        self.push(Diagnostic::error(Code::NotBoolean, title).at(at).help(help));
    }

    /// The text of a value is not of the form its key wants; `title` and `help` say how.
    pub fn bad_format(&mut self, at: Span, key: &str, title: &str, help: &[String]) {
        let mut message = Diagnostic::error(Code::BadFormat, title).at(at);
        if !key.is_empty() {
            message = message.label(format!("value of {}", quote(key)));
        }
        message.help = help.to_vec();
        self.push(message);
    }

    /// A name that the user chose is not `snake_case`, or too long.
    pub fn bad_name(&mut self, at: Span, title: &str, help: &[String]) {
        let mut message = Diagnostic::error(Code::BadName, title).at(at);
        message.help = help.to_vec();
        self.push(message);
    }

    /// `value` of `key` lies outside of `range`, such as `1 to 120`.
    pub fn out_of_range(&mut self, at: Span, key: &str, value: &str, range: &str) {
        let title = format!("{} is out of range for {}", quote(value), quote(key));
        self.push(Diagnostic::error(Code::OutOfRange, title).at(at).help(format!("allowed: {range}")));
    }

    /// `key` holds `found` of `noun` (entry, character), and the allowed count is `range`.
    pub fn wrong_length(&mut self, at: Span, key: &str, found: usize, noun: &str, range: &str) {
        let title = format!("{} holds {}", quote(key), plural(found, noun));
        self.push(Diagnostic::error(Code::WrongLength, title).at(at).help(format!("allowed: {range}")));
    }

    /// The map at `key` must hold exactly one of `allowed`, and holds `found`.
    pub fn one_key_of(&mut self, at: Span, key: &str, found: &[&str], allowed: &[&str]) {
        let found = if found.is_empty() { "none".to_owned() } else { quote_all(found) };
        let title = format!("{} takes exactly one kind, found {found}", quote(key));
        self.push(
            Diagnostic::error(Code::OneKeyOf, title).at(at).help(format!("choose one of: {}", quote_all(allowed))),
        );
    }

    /// A list without repetition holds `value` a second time.
    pub fn repeated_item(&mut self, at: Span, key: &str, value: &str, first: Span) {
        let title = format!("{} is listed twice in {}", quote(value), quote(key));
        self.push(
            Diagnostic::error(Code::RepeatedItem, title)
                .at(at)
                .also(first, "first listed here")
                .help("remove one of the two"),
        );
    }

    /// `key` and `other` are given together and exclude each other.
    pub fn exclusive_options(&mut self, at: Span, key: &str, other: &str, other_at: Span) {
        let title = format!("{} and {} exclude each other", quote(key), quote(other));
        self.push(
            Diagnostic::error(Code::ExclusiveOptions, title)
                .at(at)
                .also(other_at, "given here")
                .help("remove one of the two"),
        );
    }

    /// `key` changes nothing here; `reason` says why, such as "`fill` is `none`".
    pub fn no_effect(&mut self, at: Span, key: &str, reason: &str) {
        let title = format!("{} has no effect: {reason}", quote(key));
        self.push(Diagnostic::error(Code::NoEffect, title).at(at).help(format!("remove {}", quote(key))));
    }

    /// `name` is taken by tenure itself; `used_for` says what for.
    pub fn reserved_name(&mut self, at: Span, name: &str, used_for: &str) {
        let title = format!("{} is a reserved name", quote(name));
        self.push(
            Diagnostic::error(Code::ReservedName, title)
                .at(at)
                .help(format!("choose another name; it is used for {used_for}")),
        );
    }

    /// A regular expression does not compile; `reason` is the compiler's words.
    pub fn invalid_regex(&mut self, at: Span, regex: &str, reason: &str) {
        let title = format!("{} is not a valid regular expression: {}", quote(regex), brief(reason));
        self.push(
            Diagnostic::error(Code::InvalidRegex, title)
                .at(at)
                .help("single quotes keep backslashes as they are: `matches: '^[A-Z]{2}$'`"),
        );
    }

    /// An expression or query cannot be read; `reason` is the parser's words.
    pub fn invalid_expression(&mut self, at: Span, reason: &str, help: Option<String>) {
        let mut message =
            Diagnostic::error(Code::InvalidExpression, format!("invalid expression: {}", brief(reason))).at(at);
        message.help.extend(help);
        self.push(message);
    }

    /// What was checked against the schema could not be built: a fault of tenure, not of the file.
    pub fn internal(&mut self, at: Span, place: &str, reason: &str) {
        let title = format!("{} could not be read although it follows the schema: {reason}", quote(place));
        self.push(
            Diagnostic::error(Code::Internal, title)
                .at(at)
                .help("this is a fault of tenure; please report it with the lines shown"),
        );
    }
}

//! Messages of group `T01`, second part: `params:` and the places where `${name}` stands.

use super::{Code, Diagnostic, Diagnostics, Span, did_you_mean, quote};

impl Diagnostics {
    /// A parameter is used or given (`at` is `None` on the command line) that is not declared.
    pub fn unknown_param(&mut self, at: Option<Span>, name: &str, known: &[&str]) {
        let title = format!("unknown parameter {}", quote(name));
        let mut message = Diagnostic::error(Code::UnknownParam, title).at(at);
        match did_you_mean(name, known, "declared parameters") {
            Some(help) => message.help.push(help),
            None => message.help.push(format!("declare it: `params: {{{name}: {{type: string}}}}`")),
        }
        self.push(message);
    }

    /// `${name}` is used; neither the run nor the environment gives a value, and no default exists.
    pub fn param_without_value(&mut self, at: Span, name: &str, declared: Span) {
        let title = format!("parameter {} has no value", quote(name));
        self.push(
            Diagnostic::error(Code::ParamWithoutValue, title)
                .at(at)
                .also(declared, "declared here without a default")
                .help(format!(
                    "give `--param {name}=..`, set `TENURE_PARAM_{}`, or add a `default`",
                    name.to_uppercase()
                )),
        );
    }

    /// `${` stands in fixed text; `help` says what to do at this place.
    pub fn templating(&mut self, at: Span, text: &str, help: &str) {
        let title = format!("`${{..}}` cannot stand in {}", quote(text));
        self.push(Diagnostic::error(Code::Templating, title).at(at).help(help));
    }

    /// A declared parameter is used nowhere, so that giving it would have no effect.
    pub fn unused_param(&mut self, at: Span, name: &str) {
        let title = format!("parameter {} is never used", quote(name));
        self.push(
            Diagnostic::error(Code::UnusedParam, title).at(at).help(format!("use it as `${{{name}}}`, or remove it")),
        );
    }

    /// A value given for a parameter is not of its type. `origin` says where the value comes from
    /// when that is not the file, such as "`--param`".
    pub fn param_value(&mut self, at: Option<Span>, name: &str, origin: Option<&str>, reason: &str, help: &[String]) {
        let from = origin.map(|origin| format!(" from {origin}")).unwrap_or_default();
        let title = format!("parameter {}{from}: {reason}", quote(name));
        let mut message = Diagnostic::error(Code::ParamValue, title).at(at);
        message.help = help.to_vec();
        self.push(message);
    }

    /// The value of a parameter would change the depth of a path in which it is one segment.
    pub fn param_segment(&mut self, at: Span, name: &str, value: &str) {
        let title = format!("parameter {} is {}, which is not one path segment", quote(name), quote(value));
        self.push(
            Diagnostic::error(Code::ParamSegment, title)
                .at(at)
                .help("declare the parameter as `type: path` if it holds folders"),
        );
    }
}

//! The pipeline file as a whole: read once, parameters in place, every section typed.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::cases::{self, CaseNode, CaseSpec};
use super::decode::{Place, check, decode_at, schema_of};
use super::params::{Given, Origin, declared, substitute, values};
use super::pipeline::{EnvironmentSpec, Header, LimitsSpec, SourceSpec, TableCommon};
use super::tree::{self, Kind, Node, Span};
use super::types::{Name, Named};
use crate::diag::Diagnostics;

/// Keys every table has, whatever its type.
pub const COMMON_KEYS: [&str; 4] = ["type", "description", "dialect", "tags"];

/// Sections that are read on their own.
const SECTIONS: [&str; 5] = ["params", "environments", "sources", "tables", "tests"];

/// A pipeline file: what is written, and where.
#[derive(Clone, Debug)]
pub struct PipelineFile {
    /// The tree, with parameters in place, for positions.
    pub root: Node,
    /// Sections other than the ones below.
    pub header: Header,
    /// Sources by name, in the order of the file.
    pub sources: IndexMap<Name, SourceSpec>,
    /// Tables by name, in the order of the file.
    pub tables: Vec<TableNode>,
    /// The tests, in the order of the file.
    pub cases: Vec<CaseNode>,
    /// The chosen environment; the default one is empty.
    pub environment: EnvironmentSpec,
    /// Name of the chosen environment.
    pub environment_name: Option<String>,
    /// Values of the parameters, as text.
    pub params: IndexMap<String, String>,
}

impl PipelineFile {
    /// Resources a run may use: what the environment says of each, else the file.
    #[must_use]
    pub fn limits(&self) -> LimitsSpec {
        self.environment.limits.or(self.header.limits)
    }
}

/// A table as written: the common keys typed, the rest left to its metric.
#[derive(Clone, Debug)]
pub struct TableNode {
    /// Name of the table.
    pub name: String,
    /// Place of the name.
    pub key_span: Span,
    /// Keys every table has.
    pub common: TableCommon,
    /// Place of the value of `type`.
    pub type_span: Span,
    /// The other keys.
    pub body: Node,
}

/// What a run says beside the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--env`.
    pub environment: Option<String>,
    /// `--param name=value` and `TENURE_PARAM_NAME`, later ones win: name, value, where it was given.
    pub params: Vec<(String, String, String)>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
struct Environments(Named<EnvironmentSpec>);

#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
struct Sources(Named<SourceSpec>);

/// Reads a pipeline file. `None` when mistakes keep it from being resolved; all of them are reported.
pub fn read(text: &str, overrides: &Overrides, diags: &mut Diagnostics) -> Option<PipelineFile> {
    let mut root = tree::parse(text, diags)?;
    if !matches!(root.kind, Kind::Map(_)) {
        diags.wrong_kind(root.span, "the file", "a map", "something else", Some("start with `version: 1`".to_owned()));
        return None;
    }
    let specs = declared(&root, diags);
    let (environment, environment_name) = environment(&root, overrides, diags);
    if let Some(specs) = specs {
        let mut given = Vec::new();
        for (name, value) in &environment.params {
            let place = ["environments", environment_name.as_deref().unwrap_or_default(), "params", name];
            given.push(Given { name, text: value, origin: Origin::File(root.span_of(&place)) });
        }
        given.extend(overrides.params.iter().map(|(name, text, origin)| Given {
            name,
            text,
            origin: Origin::Outside(origin),
        }));
        let values = values(&root, &specs, &given, diags);
        substitute(&mut root, &values, diags);
        let params = values.iter().map(|(k, v)| (k.clone(), v.to_string())).collect();
        return sections(root, environment, environment_name, params, diags);
    }
    sections(root, environment, environment_name, IndexMap::new(), diags);
    None
}

fn environment(root: &Node, overrides: &Overrides, diags: &mut Diagnostics) -> (EnvironmentSpec, Option<String>) {
    let entry = root.entry("environments");
    let all = entry.and_then(|e| decode_at::<Environments>(&e.value, &Place::new("environments", e.key_span), diags));
    let Some(name) = &overrides.environment else { return (EnvironmentSpec::default(), None) };
    let known: Vec<&str> = all.as_ref().map(|a| a.0.names()).unwrap_or_default();
    if let Some(spec) = all.as_ref().and_then(|a| a.0.get(name.as_str())) {
        return (spec.clone(), Some(name.clone()));
    }
    if all.is_some() || entry.is_none() {
        diags.unknown_environment(name, &known);
    }
    (EnvironmentSpec::default(), None)
}

fn sections(
    root: Node,
    environment: EnvironmentSpec,
    environment_name: Option<String>,
    params: IndexMap<String, String>,
    diags: &mut Diagnostics,
) -> Option<PipelineFile> {
    let header = header(&root, diags);
    let sources = root
        .entry("sources")
        .and_then(|e| decode_at::<Sources>(&e.value, &Place::new("sources", e.key_span), diags))
        .map(|s| s.0.into_iter().collect::<IndexMap<_, _>>());
    let tables = tables(&root, diags);
    // Columns of sources that are wrong themselves have been reported.
    let cases = sources.as_ref().and_then(|sources| cases::read(&root, sources, diags));
    if let Some(header) = &header
        && header.version != 1
    {
        diags.out_of_range(root.span_of(&["version"]), "version", &header.version.to_string(), "1");
    }
    Some(PipelineFile {
        header: header?,
        sources: sources?,
        tables: tables?,
        cases: cases?,
        root,
        environment,
        environment_name,
        params,
    })
}

/// The top level: the sections read on their own are only known to it.
fn header_schema() -> Value {
    let mut schema = schema_of::<Header>();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for key in SECTIONS {
            properties.insert(key.to_owned(), json!(true));
        }
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.extend([json!("sources"), json!("tables")]);
    }
    schema
}

fn header(root: &Node, diags: &mut Diagnostics) -> Option<Header> {
    let value = check(root, &Place::root(), &header_schema(), diags)?;
    let Value::Object(mut map) = value else { return None };
    for key in SECTIONS {
        map.remove(key);
    }
    match serde_json::from_value(Value::Object(map)) {
        Ok(header) => Some(header),
        Err(error) => {
            diags.internal(root.span, "the file", &error.to_string());
            None
        }
    }
}

fn tables(root: &Node, diags: &mut Diagnostics) -> Option<Vec<TableNode>> {
    let entry = root.entry("tables")?;
    if entry.value.entries().iter().all(tree::Entry::is_note) {
        diags.empty_value(entry.key_span, "tables", "a map of tables");
        return None;
    }
    let mut out = Vec::new();
    let mut sound = true;
    for table in entry.value.entries().iter().filter(|e| !e.is_note()) {
        if let Err(refusal) = table.key.parse::<Name>() {
            diags.bad_name(table.key_span, &refusal.title, &refusal.help);
            sound = false;
        }
        let place = Place::new(format!("tables.{}", table.key), table.key_span);
        let (common, body) = split(&table.value);
        if !matches!(table.value.kind, Kind::Map(_)) {
            diags.empty_value(table.key_span, &table.key, "a map with `type`");
            sound = false;
            continue;
        }
        match decode_at::<TableCommon>(&common, &place, diags) {
            Some(typed) => out.push(TableNode {
                name: table.key.clone(),
                key_span: table.key_span,
                common: typed,
                type_span: table.value.span_of(&["type"]),
                body,
            }),
            None => sound = false,
        }
    }
    sound.then_some(out)
}

/// A table's common keys, and its other keys.
fn split(table: &Node) -> (Node, Node) {
    let (common, body) = table.entries().iter().cloned().partition(|e| COMMON_KEYS.contains(&e.key.as_str()));
    (Node { span: table.span, kind: Kind::Map(common) }, Node { span: table.span, kind: Kind::Map(body) })
}

/// JSON Schema of a pipeline file, for editors: `metrics` are the names and schemas of the table types.
pub fn json_schema<'a>(metrics: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let mut schema = header_schema();
    let mut defs = Map::new();
    let mut take = |mut part: Value| {
        if let Some(Value::Object(own)) = part.as_object_mut().and_then(|p| p.remove("$defs")) {
            defs.extend(own);
        }
        part
    };
    let params = take(schema_of::<Named<super::params::ParamSpec>>());
    let environments = take(schema_of::<Environments>());
    let sources = take(schema_of::<Sources>());
    let common = take(schema_of::<TableCommon>());
    let tests = take(schema_of::<Named<CaseSpec>>());
    let mut variants = Vec::new();
    for (name, metric) in metrics {
        let mut variant = take(metric);
        if let Some(Value::Object(properties)) = variant.get_mut("properties") {
            if let Some(Value::Object(shared)) = common.get("properties") {
                properties.extend(shared.clone());
            }
            properties.insert("type".to_owned(), json!({"const": name}));
        }
        if let Some(Value::Array(required)) = variant.get_mut("required") {
            required.push(json!("type"));
        }
        variants.push(variant);
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert("params".to_owned(), params);
        properties.insert("environments".to_owned(), environments);
        properties.insert("sources".to_owned(), sources);
        properties.insert("tests".to_owned(), tests);
        properties.insert("tables".to_owned(), json!({"type": "object", "additionalProperties": {"oneOf": variants}}));
    }
    if let Some(map) = schema.as_object_mut() {
        map.insert("patternProperties".to_owned(), json!({"^x-": true}));
        if let Some(Value::Object(own)) = map.get("$defs").cloned() {
            defs.extend(own);
        }
        map.insert("$defs".to_owned(), Value::Object(defs));
    }
    schema
}

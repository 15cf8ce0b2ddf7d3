//! A sentence with fields in braces: `{plate.text} reversed at {camera}`.

use cel::Value;
use cel::objects::Key;

/// A sentence whose fields are known to exist.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Words(String),
    /// A path of names, outermost first.
    Field(Vec<String>),
}

impl Template {
    /// Reads a template; the error says which brace or field is wrong.
    pub(super) fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((words, after)) = rest.split_once('{') {
            let (path, behind) = after.split_once('}').ok_or_else(|| format!("the brace before {after:?} is never closed"))?;
            let path: Vec<String> = path.split('.').map(|name| name.trim().to_owned()).collect();
            if !known.contains(&path[0].as_str()) {
                return Err(format!("there is no field {:?}; there are {}", path[0], known.join(", ")));
            }
            parts.extend([Part::Words(words.to_owned()), Part::Field(path)]);
            rest = behind;
        }
        parts.push(Part::Words(rest.to_owned()));
        Ok(Self(parts))
    }

    /// Those of some fields that it names.
    pub(super) fn asks_for(&self, fields: &[&'static str]) -> Vec<&'static str> {
        let paths = self.0.iter().filter_map(|part| if let Part::Field(path) = part { Some(path) } else { None });
        begun(fields, paths)
    }

    /// The sentence for one record; what is not there reads `unknown`.
    pub(super) fn fill(&self, fields: &[(String, Value)]) -> String {
        let part = |part: &Part| match part {
            Part::Words(words) => words.clone(),
            Part::Field(path) => written(field(path, fields)),
        };
        self.0.iter().map(part).collect()
    }
}

/// Those of some fields in which paths of names begin.
pub(super) fn begun<'p>(fields: &[&'static str], paths: impl Iterator<Item = &'p Vec<String>> + Clone) -> Vec<&'static str> {
    fields.iter().copied().filter(|field| paths.clone().any(|path| path[0] == *field)).collect()
}

/// What stands at a path of names, outermost first.
pub(super) fn field<'f>(path: &[String], fields: &'f [(String, Value)]) -> Option<&'f Value> {
    let (first, inner) = path.split_first()?;
    let outermost = fields.iter().find(|(name, _)| name == first).map(|(_, value)| value);
    inner.iter().fold(outermost, |value, name| match value {
        Some(Value::Map(map)) => map.map.get(&Key::from(name.as_str())),
        _ => None,
    })
}

/// A value as a sentence shows it.
pub(super) fn written(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.to_string(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Bool(truth)) => truth.to_string(),
        Some(Value::List(items)) => items.iter().map(|item| written(Some(item))).collect::<Vec<_>>().join(", "),
        _ => "unknown".to_owned(),
    }
}

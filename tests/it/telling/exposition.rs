//! A strict reader of Prometheus' text format 0.0.4, written from its description alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};

/// The samples: name and sorted labels, value.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Exposition(BTreeMap<(String, BTreeMap<String, String>), f64>);

impl Exposition {
    /// The value of a sample; labels as `a=b,c=d`.
    pub(super) fn value(&self, name: &str, labels: &str) -> Option<f64> {
        let pairs = labels.split(',').map(|pair| pair.split_once('=').unwrap());
        let labels = pairs.map(|(label, value)| (label.to_owned(), value.to_owned())).collect();
        self.0.get(&(name.to_owned(), labels)).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Values of a label, over all samples of that name.
    pub(super) fn label_values(&self, name: &str, label: &str) -> BTreeSet<String> {
        let of_name = self.0.keys().filter(|(own, _)| own == name);
        of_name.filter_map(|(_, labels)| labels.get(label).cloned()).collect()
    }

    /// Reads a text, or says what breaks the format.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !text.is_empty() && !text.ends_with('\n') {
            return Err("the last line does not end".to_owned());
        }
        let mut reader = Reader::default();
        for (nth, line) in text.lines().enumerate() {
            reader.line(line).map_err(|why| format!("line {}: {why}: {line}", nth + 1))?;
        }
        match reader.family {
            Some((name, _)) if reader.n_samples == 0 => Err(format!("`{name}` has no sample")),
            _ => Ok(reader.read),
        }
    }
}

#[derive(Default)]
struct Reader {
    read: Exposition,
    helped: Option<String>,
    /// Name and type of the metric whose samples stand here.
    family: Option<(String, String)>,
    n_samples: usize,
    closed: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("no text of help")?;
            check_name(name, true)?;
            let escapes = help.replace("\\\\", "").replace("\\n", "");
            if help.is_empty() || escapes.contains('\\') {
                return Err("help is empty or badly escaped".to_owned());
            }
            if self.helped.replace(name.to_owned()).is_some() {
                return Err("HELP without TYPE before it".to_owned());
            }
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            return self.kind(rest);
        }
        if line.starts_with('#') || line.trim() != line || line.is_empty() {
            return Err("a comment, blanks or nothing, which we do not write".to_owned());
        }
        self.sample(line)
    }

    fn kind(&mut self, rest: &str) -> Result<(), String> {
        let (name, kind) = rest.split_once(' ').ok_or("no type")?;
        if self.helped.take().as_deref() != Some(name) {
            return Err("TYPE without its HELP right before it".to_owned());
        }
        if !["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind) {
            return Err(format!("`{kind}` is no type"));
        }
        if let Some((last, _)) = self.family.replace((name.to_owned(), kind.to_owned())) {
            if self.n_samples == 0 {
                return Err(format!("`{last}` has no sample"));
            }
            self.closed.insert(last);
        }
        if self.closed.contains(name) {
            return Err(format!("`{name}` comes twice"));
        }
        self.n_samples = 0;
        Ok(())
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        if self.helped.is_some() {
            return Err("a sample between HELP and TYPE".to_owned());
        }
        let end = line.find(['{', ' ']).ok_or("no value")?;
        let name = &line[..end];
        check_name(name, true)?;
        if self.family.as_ref().map(|(own, _)| own.as_str()) != Some(name) {
            return Err("a sample outside its metric".to_owned());
        }
        let (labels, rest) = match line[end..].strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (BTreeMap::new(), &line[end..]),
        };
        let value = rest.strip_prefix(' ').ok_or("no blank before the value")?;
        let value: f64 = value.parse().map_err(|_| "no number, or more than one")?;
        let key = (name.to_owned(), labels);
        if self.read.0.insert(key, value).is_some() {
            return Err("the same sample twice".to_owned());
        }
        self.n_samples += 1;
        Ok(())
    }
}

fn check_name(name: &str, is_metric: bool) -> Result<(), String> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '_' || (is_metric && c == ':');
    let starts = name.starts_with(|c: char| is_fit(c) && !c.is_ascii_digit());
    if starts && name.chars().all(is_fit) { Ok(()) } else { Err(format!("`{name}` is no name")) }
}

/// Labels after the opening brace, and what follows the closing one.
fn labels(mut rest: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let mut labels = BTreeMap::new();
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("a label without a quoted value")?;
        check_name(name, false)?;
        let (value, after) = quoted(after)?;
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("the label `{name}` twice"));
        }
        if let Some(after) = after.strip_prefix('}') {
            return Ok((labels, after));
        }
        rest = after.strip_prefix(',').ok_or("no comma between labels")?;
    }
}

/// A value up to its closing quote, without escapes, and what follows.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, '\\')) => value.push('\\'),
                Some((_, '"')) => value.push('"'),
                Some((_, 'n')) => value.push('\n'),
                _ => return Err("an escape that is none".to_owned()),
            },
            c => value.push(c),
        }
    }
    Err("a value that does not end".to_owned())
}

#[test]
fn the_reader_takes_what_is_right_and_nothing_else() {
    let head = "# HELP a x\n# TYPE a gauge\n";
    let check = |text: &str, expected: Result<usize, &str>| {
        let found = Exposition::parse(text);
        match (found, expected) {
            (Ok(found), Ok(n)) => assert_eq!(found.len(), n, "{text}"),
            (Err(found), Err(part)) => assert!(found.contains(part), "{text}: {found}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    };
    check("", Ok(0));
    check(&format!("{head}a 1\n"), Ok(1));
    check(&format!("{head}a{{b=\"\\\\\\\"\\n,}}\",c=\"\"}} 1e3\na{{b=\"\"}} -2.5\n"), Ok(2));
    check(&format!("{head}a 1"), Err("does not end"));
    check(&format!("{head}a 1\na 2\n"), Err("the same sample twice"));
    check(&format!("{head}a{{b=\"x\"}} 1\na{{b=\"x\"}} 1\n"), Err("the same sample twice"));
    check(&format!("{head}a 1\n# HELP b y\n# TYPE b gauge\nb 1\n{head}a 2\n"), Err("comes twice"));
    check(&format!("{head}b 1\n"), Err("outside its metric"));
    check("a 1\n", Err("outside its metric"));
    check("# TYPE a gauge\na 1\n", Err("without its HELP"));
    check("# HELP a x\na 1\n", Err("between HELP and TYPE"));
    check("# HELP a x\n# TYPE a thing\na 1\n", Err("no type"));
    check(head, Err("has no sample"));
    check(&format!("{head}a{{b=x}} 1\n"), Err("quoted"));
    check(&format!("{head}a{{b=\"\\x\"}} 1\n"), Err("escape"));
    check(&format!("{head}a{{1b=\"\"}} 1\n"), Err("no name"));
    check(&format!("{head}a{{b=\"\" c=\"\"}} 1\n"), Err("no comma"));
    check(&format!("{head}a  1\n"), Err("no number"));
    check(&format!("{head}a 1 2\n"), Err("no number"));
    check(&format!("{head}a one\n"), Err("no number"));
    check(&format!("{head}\na 1\n"), Err("nothing"));
}

//! Strict parser of the part of WIQL that the service uses; wrong syntax is an error.

use serde_json::{Map, Value};

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// `Source`, `Target` or nothing, and the name of the field.
    Field(String, String),
    Text(String),
    Number(i64),
    Word(String),
    Sign(char),
    Compare(String),
}

/// Subject of a condition: a work item, and the project in the address of the request.
pub(crate) struct Subject<'a> {
    pub(crate) id: i32,
    pub(crate) fields: &'a Map<String, Value>,
    pub(crate) project: Option<&'a str>,
}

/// Parsed query.
#[derive(Debug)]
pub(crate) struct Query {
    tokens: Vec<Token>,
    /// `true` if the query selects links, with all parents of each match.
    pub(crate) tree: bool,
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let (mut found, mut side) = (Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '\'' => {
                let mut literal = String::new();
                loop {
                    match chars.next() {
                        Some('\'') if chars.peek() == Some(&'\'') => {
                            chars.next();
                            literal.push('\'');
                        }
                        Some('\'') => break,
                        Some(c) => literal.push(c),
                        None => return Err("a literal without end".to_owned()),
                    }
                }
                found.push(Token::Text(literal));
            }
            '[' => {
                let name: String = chars.by_ref().take_while(|c| *c != ']').collect();
                // [Target].[System.State]
                if matches!(name.as_str(), "Source" | "Target") {
                    if chars.next() != Some('.') {
                        return Err("a field must follow".to_owned());
                    }
                    side = name;
                } else {
                    found.push(Token::Field(std::mem::take(&mut side), name));
                }
            }
            '(' | ')' | ',' => found.push(Token::Sign(c)),
            '=' | '<' | '>' => {
                let mut operator = c.to_string();
                if let Some(next) = chars.next_if(|next| matches!(next, '=' | '>')) {
                    operator.push(next);
                }
                found.push(Token::Compare(operator));
            }
            c if c.is_ascii_digit() => {
                let mut digits = c.to_string();
                while let Some(next) = chars.next_if(char::is_ascii_digit) {
                    digits.push(next);
                }
                found.push(Token::Number(digits.parse().map_err(|_| "too large a number")?));
            }
            c if c.is_alphabetic() || c == '@' => {
                let mut word = c.to_string();
                while let Some(next) = chars.next_if(|next| next.is_alphanumeric()) {
                    word.push(next);
                }
                found.push(Token::Word(word.to_uppercase()));
            }
            other => return Err(format!("unexpected {other}")),
        }
    }
    Ok(found)
}

impl Query {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > 32_000 {
            return Err("too long".to_owned());
        }
        let all = tokens(text)?;
        let word = |word: &str| Token::Word(word.to_owned());
        let position = |wanted: &Token| all.iter().position(|token| token == wanted);
        let tree = position(&word("WORKITEMLINKS")).is_some();
        let links = "MODE (Recursive, ReturnMatchingChildren)";
        let forward = "[System.Links.LinkType] = 'System.LinkTypes.Hierarchy-Forward'";
        if tree && !(text.ends_with(links) && text.contains(forward)) {
            return Err("another kind of links".to_owned());
        }
        let start = position(&word("WHERE")).ok_or("no condition")? + 1;
        let end = position(&word("MODE"))
            .or_else(|| position(&word("ORDER")))
            .unwrap_or(all.len());
        let query = Self {
            tokens: all[start..end].to_vec(),
            tree,
        };
        // Each field names its side if, and only if, the query selects links.
        for token in &query.tokens {
            if let Token::Field(side, name) = token
                && name != "System.Links.LinkType"
                && side.is_empty() == tree
            {
                return Err(format!("{name} of which side?"));
            }
        }
        let subject = Subject {
            id: 0,
            fields: &Map::new(),
            project: None,
        };
        query.try_matches(&subject)?;
        Ok(query)
    }

    /// Returns `true` if the work item matches. The parser has already tried the conditions.
    pub(crate) fn matches(&self, subject: &Subject<'_>) -> bool {
        self.try_matches(subject).unwrap_or(false)
    }

    /// Returns the area paths with which the query compares.
    pub(crate) fn areas(&self) -> impl Iterator<Item = &str> {
        self.tokens.windows(3).filter_map(|three| match three {
            [Token::Field(_, field), _, Token::Text(path)] if field == "System.AreaPath" => {
                Some(path.as_str())
            }
            _ => None,
        })
    }

    fn try_matches(&self, subject: &Subject<'_>) -> Result<bool, String> {
        let mut reader = Reader {
            rest: &self.tokens,
            subject,
        };
        let matches = reader.any()?;
        if reader.rest.is_empty() {
            Ok(matches)
        } else {
            Err(format!("unexpected {:?}", reader.rest[0]))
        }
    }
}

struct Reader<'a> {
    rest: &'a [Token],
    subject: &'a Subject<'a>,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Token, String> {
        let (first, rest) = self.rest.split_first().ok_or("unexpected end")?;
        self.rest = rest;
        Ok(first.clone())
    }

    fn skip(&mut self, token: &Token) -> bool {
        let matched = self.rest.first() == Some(token);
        if matched {
            self.rest = &self.rest[1..];
        }
        matched
    }

    fn any(&mut self) -> Result<bool, String> {
        let mut matches = self.all()?;
        while self.skip(&Token::Word("OR".to_owned())) {
            matches |= self.all()?;
        }
        Ok(matches)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut matches = self.one()?;
        while self.skip(&Token::Word("AND".to_owned())) {
            matches &= self.one()?;
        }
        Ok(matches)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.skip(&Token::Sign('(')) {
            let matches = self.any()?;
            return match self.next()? {
                Token::Sign(')') => Ok(matches),
                other => Err(format!("unexpected {other:?}")),
            };
        }
        let Token::Field(side, field) = self.next()? else {
            return Err("a field is expected".to_owned());
        };
        let value = self.value(&field);
        let operator = self.next()?;
        if operator == Token::Word("NOT".to_owned()) {
            self.next()?;
            return Ok(!self.list()?.contains(&value));
        }
        match operator {
            Token::Word(word) if word == "IN" => Ok(self.list()?.contains(&value)),
            Token::Word(word) if word == "CONTAINS" => {
                let text = self.literal()?;
                Ok(value.to_lowercase().contains(&text.to_lowercase()))
            }
            Token::Word(word) if word == "UNDER" => {
                if !matches!(field.as_str(), "System.AreaPath" | "System.IterationPath") {
                    return Err(format!("TF51009: {field} is no tree"));
                }
                let text = self.literal()?;
                Ok(value == text || value.starts_with(&format!("{text}\\")))
            }
            Token::Compare(sign) => {
                let text = self.literal()?;
                // The type of a link is not a field of a work item.
                if field == "System.Links.LinkType" || side == "Source" {
                    return Ok(true);
                }
                Ok(match sign.as_str() {
                    "=" => value.to_lowercase() == text.to_lowercase(),
                    ">=" => value >= text,
                    "<=" => value <= text,
                    other => return Err(format!("unexpected {other}")),
                })
            }
            other => Err(format!("unexpected {other:?}")),
        }
    }

    fn value(&self, field: &str) -> String {
        if field == "System.Id" {
            return self.subject.id.to_string();
        }
        match self.subject.fields.get(field) {
            // An identity is compared by its e-mail.
            Some(Value::Object(person)) => person["uniqueName"].as_str().unwrap_or_default().to_owned(),
            Some(Value::String(person)) if field == "System.AssignedTo" => {
                let account = person
                    .split_once('<')
                    .map_or(person.as_str(), |(_, account)| account);
                account.trim_end_matches('>').to_owned()
            }
            Some(value) => value.as_str().unwrap_or_default().to_owned(),
            None => String::new(),
        }
    }

    fn literal(&mut self) -> Result<String, String> {
        match self.next()? {
            Token::Text(text) => Ok(text),
            Token::Number(number) => Ok(number.to_string()),
            Token::Word(word) if word == "@PROJECT" => {
                Ok(self.subject.project.unwrap_or_default().to_owned())
            }
            other => Err(format!("unexpected {other:?}")),
        }
    }

    fn list(&mut self) -> Result<Vec<String>, String> {
        if !self.skip(&Token::Sign('(')) {
            return Err("a list is expected".to_owned());
        }
        let mut list = vec![self.literal()?];
        while self.skip(&Token::Sign(',')) {
            list.push(self.literal()?);
        }
        match self.next()? {
            Token::Sign(')') => Ok(list),
            other => Err(format!("unexpected {other:?}")),
        }
    }
}

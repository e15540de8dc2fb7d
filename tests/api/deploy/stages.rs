//! Reads Dockerfiles, as much of them as ours use.

/// A stage: what it is made of, its name, its instructions.
pub struct Stage {
    pub base: String,
    pub name: String,
    pub instructions: Vec<(String, String)>,
}

impl Stage {
    pub fn all(&self, instruction: &str) -> Vec<&str> {
        let wanted = self.instructions.iter().filter(|(name, _)| name == instruction);
        wanted.map(|(_, rest)| rest.as_str()).collect()
    }

    /// Where an instruction that begins so stands.
    pub fn position(&self, start: &str) -> Option<usize> {
        let lines = self.instructions.iter();
        lines
            .map(|(name, rest)| format!("{name} {rest}"))
            .position(|line| line.starts_with(start))
    }
}

/// The stages; continued lines are one, comments are gone.
pub fn parse(text: &str) -> Vec<Stage> {
    let lines: Vec<&str> = text
        .lines()
        .filter(|l| !l.trim_start().starts_with('#'))
        .collect();
    let text = lines.join("\n").replace("\\\n", " ");
    let mut stages: Vec<Stage> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (instruction, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        if instruction == "FROM" {
            let (base, name) = rest.split_once(" AS ").unwrap_or((&rest, ""));
            stages.push(Stage {
                base: base.to_owned(),
                name: name.to_owned(),
                instructions: Vec::new(),
            });
        } else {
            let stage = stages.last_mut().expect("the first instruction is FROM");
            stage.instructions.push((instruction.to_owned(), rest));
        }
    }
    stages
}

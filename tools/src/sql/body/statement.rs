//! The statements of PL/pgSQL.

use super::Unread;
use super::reader::Reader;

/// Statements within statements beyond this depth are refused, so that reading them cannot exhaust the stack.
const DEEPEST: usize = 100;

impl Reader<'_> {
    /// Statements up to a word that ends or divides what they stand in.
    pub(super) fn statements(&mut self) -> Result<(), Unread> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.lost("statements nested too deeply");
        }
        // Some of these may also be variables: then what follows makes no sense here, and is refused.
        let closing = ["end", "else", "elsif", "elseif", "when", "exception"];
        while !self.word().is_some_and(|word| closing.contains(&word)) {
            self.statement()?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// At the start of a statement, a name before one of these is a variable, whatever keyword it is like.
    fn is_assignment(&self) -> bool {
        let parameter = !self.is_name() && self.is_variable();
        let name = self.is_name() && [":=", "=", "[", "."].into_iter().any(|sign| self.is(1, sign));
        parameter || name
    }

    fn statement(&mut self) -> Result<(), Unread> {
        if self.is_assignment() {
            return self.assignment();
        }
        if self.label()? {
            return self.labelled();
        }
        let Some(word) = self.word().map(str::to_owned) else { return self.lost("a statement that is not known") };
        match word.as_str() {
            "declare" | "begin" | "loop" | "while" | "for" | "foreach" => return self.labelled(),
            "if" => return self.conditional(),
            "case" => return self.case(),
            "return" | "raise" | "assert" | "perform" | "exit" | "continue" | "get" | "open" | "fetch" | "move"
            | "close" | "null" => self.require(&word)?,
            _ => return self.command(),
        }
        match word.as_str() {
            "return" => self.result(),
            "raise" => self.raise(),
            "assert" => self.expressions(&[",", ";"]),
            "perform" => self.perform(),
            "exit" | "continue" => self.exit(),
            "get" => self.diagnostics(),
            "open" => self.open(),
            "fetch" | "move" => self.fetch(word == "fetch"),
            "close" => {
                self.variable()?;
                self.require(";")
            }
            _ => self.require(";"),
        }
    }

    /// A block or a loop, which may have had a label.
    fn labelled(&mut self) -> Result<(), Unread> {
        if self.is(0, "declare") || self.is(0, "begin") {
            self.block()?;
            return self.require(";");
        }
        if self.eat("while") {
            self.expression(&["loop"])?;
        } else if self.eat("for") {
            self.for_loop()?;
        } else if self.eat("foreach") {
            self.variables()?;
            if self.eat("slice") {
                self.number()?;
            }
            self.require("in")?;
            self.require("array")?;
            self.expression(&["loop"])?;
        } else {
            self.require("loop")?;
        }
        self.statements()?;
        self.require("end")?;
        self.require("loop")?;
        self.end_label()?;
        self.require(";")
    }

    /// What a `FOR` goes over: whole numbers, a query, a cursor.
    fn for_loop(&mut self) -> Result<(), Unread> {
        if self.is_name() && self.is(1, "in") {
            // A loop over numbers declares its variable.
            self.declared()?;
        } else {
            self.variables()?;
        }
        self.require("in")?;
        if self.is(0, "execute") {
            return acts("EXECUTE");
        }
        let reverse = self.eat_lone("reverse");
        if reverse || self.finds("..", "loop") {
            self.expression(&[".."])?;
            if self.expression(&["loop", "by"])? == 1 {
                self.expression(&["loop"])?;
            }
            return Ok(());
        }
        if self.is_query() && !self.is(1, "loop") {
            return self.query(&["loop"]);
        }
        self.cursor_variable()?;
        self.arguments()?;
        self.require("loop")
    }

    /// The arguments of a cursor, by place or by name.
    fn arguments(&mut self) -> Result<(), Unread> {
        if !self.eat("(") {
            return Ok(());
        }
        loop {
            if self.is_name() && (self.is(1, ":=") || self.is(1, "=>")) {
                self.name()?;
                let _sign = self.eat(":=") || self.eat("=>");
            }
            if self.expression(&[",", ")"])? == 1 {
                return Ok(());
            }
        }
    }

    fn assignment(&mut self) -> Result<(), Unread> {
        self.variable()?;
        loop {
            if self.eat("[") {
                self.subscript()?;
            } else if self.eat(".") {
                self.name()?;
            } else {
                break;
            }
        }
        if !self.eat(":=") {
            self.require("=")?;
        }
        self.expression(&[";"]).map(drop)
    }

    fn conditional(&mut self) -> Result<(), Unread> {
        self.require("if")?;
        self.expression(&["then"])?;
        self.statements()?;
        while self.eat("elsif") || self.eat("elseif") {
            self.expression(&["then"])?;
            self.statements()?;
        }
        if self.eat("else") {
            self.statements()?;
        }
        self.require("end")?;
        self.require("if")?;
        self.require(";")
    }

    fn case(&mut self) -> Result<(), Unread> {
        self.require("case")?;
        let compares = !self.eat("when");
        if compares {
            self.expression(&["when"])?;
        }
        loop {
            // PL/pgSQL makes `variable IN (…)` of it, so that it compares with `=`.
            let (before, after) = if compares { ("SELECT NULL IN (", ")") } else { ("SELECT ", "") };
            self.expression_in(&["then"], before, after)?;
            self.statements()?;
            if !self.eat("when") {
                break;
            }
        }
        if self.eat("else") {
            self.statements()?;
        }
        self.require("end")?;
        self.require("case")?;
        self.require(";")
    }

    fn exit(&mut self) -> Result<(), Unread> {
        self.end_label()?;
        if self.eat("when") {
            return self.expression(&[";"]).map(drop);
        }
        self.require(";")
    }

    fn result(&mut self) -> Result<(), Unread> {
        if self.eat_lone("query") {
            if self.is(0, "execute") {
                return acts("EXECUTE");
            }
            return self.query(&[";"]);
        }
        self.eat_lone("next");
        if self.eat(";") { Ok(()) } else { self.expression(&[";"]).map(drop) }
    }

    fn expressions(&mut self, stops: &[&str]) -> Result<(), Unread> {
        while self.expression(stops)? == 0 {}
        Ok(())
    }

    fn raise(&mut self) -> Result<(), Unread> {
        let levels = ["exception", "warning", "notice", "info", "log", "debug"];
        if self.eat(";") {
            return Ok(());
        }
        let _level = levels.into_iter().any(|level| self.eat_lone(level));
        if self.is_text() {
            self.text()?;
            if self.eat(",") {
                loop {
                    match self.expression(&[",", ";", "using"])? {
                        0 => {}
                        1 => return Ok(()),
                        _ => return self.raise_options(),
                    }
                }
            }
        } else if self.eat_lone("sqlstate") {
            self.text()?;
        } else if !self.is(0, "using") {
            self.name()?;
        }
        if self.eat("using") {
            return self.raise_options();
        }
        self.require(";")
    }

    fn raise_options(&mut self) -> Result<(), Unread> {
        let options = ["errcode", "message", "detail", "hint", "column", "constraint", "datatype", "table", "schema"];
        loop {
            if !options.into_iter().any(|option| self.eat(option)) {
                return self.lost("an option that is not known");
            }
            if !self.eat("=") {
                self.require(":=")?;
            }
            if self.expression(&[",", ";"])? == 1 {
                return Ok(());
            }
        }
    }

    fn diagnostics(&mut self) -> Result<(), Unread> {
        let _area = self.eat("current") || self.eat("stacked");
        self.require("diagnostics")?;
        loop {
            self.variable()?;
            if !self.eat("=") {
                self.require(":=")?;
            }
            // Which item is for the server to say: it is a word, and none of them does anything.
            self.name()?;
            if !self.eat(",") {
                return self.require(";");
            }
        }
    }

    fn open(&mut self) -> Result<(), Unread> {
        self.cursor_variable()?;
        if self.eat("no") {
            self.require("scroll")?;
        } else {
            self.eat("scroll");
        }
        if self.eat("for") {
            if self.is(0, "execute") {
                return acts("EXECUTE");
            }
            return self.query(&[";"]);
        }
        self.arguments()?;
        self.require(";")
    }

    /// `FETCH` and `MOVE`. What stands before `FROM` is a direction, in which there may be an expression.
    fn fetch(&mut self, into: bool) -> Result<(), Unread> {
        if self.finds("from", ";") || self.finds("in", ";") {
            self.direction()?;
        }
        self.variable()?;
        if into {
            self.require("into")?;
            self.variables()?;
        }
        self.require(";")
    }

    fn direction(&mut self) -> Result<(), Unread> {
        let whole = ["next", "prior", "first", "last", "all"];
        let counted = ["forward", "backward", "absolute", "relative"];
        let ends = |reader: &Self, ahead| reader.is(ahead, "from") || reader.is(ahead, "in");
        if ends(self, 1) && whole.into_iter().any(|word| self.eat(word)) {
            // Nothing but the word.
        } else if counted.into_iter().any(|word| self.eat_lone(word)) && ends(self, 1) {
            self.eat("all");
        }
        if self.eat("from") || self.eat("in") {
            return Ok(());
        }
        self.expression(&["from", "in"]).map(drop)
    }
}

fn acts<T>(what: &str) -> Result<T, Unread> {
    Err(Unread::Acts(format!("`{what}`")))
}

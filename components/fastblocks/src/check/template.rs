//! What can be known of a template: its syntax, and that each name in it means something.

use std::collections::HashMap;

use minijinja::machinery::{
    Span,
    ast::{Call, CallArg, Expr, Filter, ForLoop, Macro, Stmt},
    parse,
};

use crate::{
    App, Problem,
    app::{Block, Names, Shape},
    engine::{self, Known},
};

/// Filters that give some of the items of a list, or all in another order.
const SAME_ITEMS: [&str; 8] = [
    "list",
    "reject",
    "rejectattr",
    "reverse",
    "select",
    "selectattr",
    "sort",
    "unique",
];
/// Filters whose first argument is a field.
const TAKES_FIELD: [&str; 3] = ["groupby", "rejectattr", "selectattr"];

/// Finds what is wrong with a template.
pub(super) fn check(app: &App, block: &Block, known: &Known, problems: &mut Vec<Problem>) {
    let parsed = parse(&block.source, &block.name, Default::default());
    let template = match &parsed {
        Ok(Stmt::Template(template)) => template,
        Ok(_) => return,
        Err(error) => return problems.push(engine::problem_of(app, &block.name, error)),
    };
    let mut walk = Walk {
        app,
        block,
        known,
        problems,
        scopes: vec![HashMap::new()],
    };
    walk.statements(&template.children);
}

/// What is known of a value.
#[derive(Clone, Copy)]
enum Meaning<'a> {
    /// Nothing.
    Any,
    /// Its fields.
    Map(&'a Names),
    /// The fields of its items.
    ListOf(&'a Names),
    /// Pairs of a value and the list of items that have it.
    Groups(&'a Names),
}

struct Walk<'a> {
    app: &'a App,
    block: &'a Block,
    known: &'a Known,
    problems: &'a mut Vec<Problem>,
    /// The names that the template itself makes, the innermost last.
    scopes: Vec<HashMap<String, Meaning<'a>>>,
}

impl<'a> Walk<'a> {
    fn problem(&self, span: Span, problem: String) -> Problem {
        let line = self.block.line(usize::from(span.start_line));
        Problem::at(&self.block.file, line, problem)
    }

    fn bind(&mut self, name: &str, meaning: Meaning<'a>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), meaning);
        }
    }

    /// Looks at statements that make names for themselves only.
    fn within(&mut self, body: &[Stmt<'_>]) {
        self.scopes.push(HashMap::new());
        self.statements(body);
        self.scopes.pop();
    }

    fn statements(&mut self, statements: &[Stmt<'_>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitRaw(_) => {}
            Stmt::EmitExpr(emit) => self.visit(&emit.expr),
            Stmt::ForLoop(each) => self.each(each),
            Stmt::IfCond(condition) => {
                self.visit(&condition.expr);
                self.statements(&condition.true_body);
                self.statements(&condition.false_body);
            }
            Stmt::WithBlock(with) => {
                self.scopes.push(HashMap::new());
                for (target, value) in &with.assignments {
                    let meaning = self.expression(value);
                    self.assign(target, meaning);
                }
                self.statements(&with.body);
                self.scopes.pop();
            }
            Stmt::Set(set) => {
                let meaning = self.expression(&set.expr);
                self.assign(&set.target, meaning);
            }
            Stmt::SetBlock(set) => {
                self.maybe(set.filter.as_ref());
                self.within(&set.body);
                self.assign(&set.target, Meaning::Any);
            }
            Stmt::AutoEscape(escape) => {
                self.visit(&escape.enabled);
                self.within(&escape.body);
            }
            Stmt::FilterBlock(filter) => {
                self.visit(&filter.filter);
                self.within(&filter.body);
            }
            Stmt::Block(block) => self.within(&block.body),
            Stmt::Import(import) => {
                self.block_named(&import.expr);
                self.assign(&import.name, Meaning::Any);
            }
            Stmt::FromImport(import) => {
                self.block_named(&import.expr);
                for (name, alias) in &import.names {
                    self.assign(alias.as_ref().unwrap_or(name), Meaning::Any);
                }
            }
            Stmt::Extends(extends) => self.given_on(&extends.name),
            Stmt::Include(include) => self.given_on(&include.name),
            Stmt::Macro(declared) => {
                self.bind(declared.name, Meaning::Any);
                self.declared(declared);
            }
            Stmt::CallBlock(block) => {
                self.call(&block.call, block.call.span());
                self.declared(&block.macro_decl);
            }
            Stmt::Do(call) => self.call(&call.call, call.call.span()),
        }
    }

    fn each(&mut self, each: &ForLoop<'_>) {
        let meaning = self.expression(&each.iter);
        self.scopes.push(HashMap::new());
        self.bind("loop", Meaning::Any);
        match (&each.target, meaning) {
            (Expr::List(pair), Meaning::Groups(fields)) if pair.items.len() == 2 => {
                self.assign(&pair.items[0], Meaning::Any);
                self.assign(&pair.items[1], Meaning::ListOf(fields));
            }
            (Expr::Tuple(pair), Meaning::Groups(fields)) if pair.items.len() == 2 => {
                self.assign(&pair.items[0], Meaning::Any);
                self.assign(&pair.items[1], Meaning::ListOf(fields));
            }
            (target, Meaning::ListOf(fields)) => self.assign(target, Meaning::Map(fields)),
            (target, Meaning::Any | Meaning::Map(_) | Meaning::Groups(_)) => {
                self.assign(target, Meaning::Any);
            }
        }
        self.maybe(each.filter_expr.as_ref());
        self.statements(&each.body);
        self.scopes.pop();
        self.within(&each.else_body);
    }

    fn declared(&mut self, declared: &Macro<'_>) {
        for default in &declared.defaults {
            self.visit(default);
        }
        self.scopes.push(HashMap::new());
        self.bind("caller", Meaning::Any);
        for argument in &declared.args {
            self.assign(argument, Meaning::Any);
        }
        self.statements(&declared.body);
        self.scopes.pop();
    }

    fn assign(&mut self, target: &Expr<'_>, meaning: Meaning<'a>) {
        match target {
            Expr::Var(name) => self.bind(name.id, meaning),
            Expr::List(list) => list
                .items
                .iter()
                .for_each(|item| self.assign(item, Meaning::Any)),
            Expr::Tuple(list) => list
                .items
                .iter()
                .for_each(|item| self.assign(item, Meaning::Any)),
            // A field of a namespace.
            other => self.visit(other),
        }
    }

    fn visit(&mut self, expression: &Expr<'_>) {
        let _ = self.expression(expression);
    }

    fn maybe(&mut self, expression: Option<&Expr<'_>>) {
        if let Some(expression) = expression {
            self.visit(expression);
        }
    }

    /// Looks at an expression, and gives what is known of its value.
    fn expression(&mut self, expression: &Expr<'_>) -> Meaning<'a> {
        match expression {
            Expr::Var(name) => return self.name(name.id, name.span()),
            Expr::Filter(filter) => return self.filter(filter, filter.span()),
            Expr::GetAttr(get) => {
                if let Meaning::Map(fields) = self.expression(&get.expr) {
                    self.field(fields, get.name, get.span());
                }
            }
            Expr::Const(_) => {}
            Expr::Slice(slice) => {
                let meaning = self.expression(&slice.expr);
                for bound in [&slice.start, &slice.stop, &slice.step] {
                    self.maybe(bound.as_ref());
                }
                return meaning;
            }
            Expr::UnaryOp(operation) => self.visit(&operation.expr),
            Expr::BinOp(operation) => {
                self.visit(&operation.left);
                self.visit(&operation.right);
            }
            Expr::Compare(compare) => {
                self.visit(&compare.expr);
                for operand in &compare.ops {
                    self.visit(&operand.expr);
                }
            }
            Expr::IfExpr(choice) => {
                self.visit(&choice.test_expr);
                self.visit(&choice.true_expr);
                self.maybe(choice.false_expr.as_ref());
            }
            Expr::Test(test) => {
                self.known_word(
                    "test",
                    test.name,
                    test.span(),
                    self.known.has_test(test.name),
                );
                // What is asked whether it is there need not be there.
                if !matches!(
                    (test.name, &test.expr),
                    ("defined" | "undefined", Expr::Var(_))
                ) {
                    self.visit(&test.expr);
                }
                self.arguments(&test.args);
            }
            Expr::GetItem(get) => {
                let meaning = self.expression(&get.expr);
                self.visit(&get.subscript_expr);
                if let Meaning::ListOf(fields) = meaning {
                    return Meaning::Map(fields);
                }
            }
            Expr::Call(call) => self.call(call, call.span()),
            Expr::List(list) => list.items.iter().for_each(|item| self.visit(item)),
            Expr::Tuple(list) => list.items.iter().for_each(|item| self.visit(item)),
            Expr::Map(map) => map
                .keys
                .iter()
                .chain(&map.values)
                .for_each(|item| self.visit(item)),
        }
        Meaning::Any
    }

    fn name(&mut self, name: &str, span: Span) -> Meaning<'a> {
        if let Some(meaning) = self.scopes.iter().rev().find_map(|scope| scope.get(name)) {
            return *meaning;
        }
        let block = self.block;
        if let Some(declared) = block.context.get(name) {
            return match (declared.shape, block.fields.get(name)) {
                (Shape::List, Some(fields)) => Meaning::ListOf(fields),
                (Shape::Map, Some(fields)) => Meaning::Map(fields),
                _ => Meaning::Any,
            };
        }
        if !engine::GLOBALS.contains(&name) {
            let problem = self.problem(
                span,
                format!("{name} is not declared in the context of this block"),
            );
            let declared = block.context.keys().map(String::as_str);
            let made = self.scopes.iter().flat_map(HashMap::keys);
            let known = declared.chain(made.map(String::as_str));
            let problem = problem.meant(name, known.chain(engine::GLOBALS));
            self.problems.push(problem);
        }
        Meaning::Any
    }

    fn field(&mut self, fields: &Names, name: &str, span: Span) {
        if !fields.contains_key(name) {
            let problem = self.problem(span, format!("{name} is no declared field"));
            let known = fields.keys().map(String::as_str);
            self.problems.push(problem.meant(name, known));
        }
    }

    fn filter(&mut self, filter: &Filter<'_>, span: Span) -> Meaning<'a> {
        self.known_word(
            "filter",
            filter.name,
            span,
            self.known.has_filter(filter.name),
        );
        let meaning = match &filter.expr {
            Some(expression) => self.expression(expression),
            None => Meaning::Any,
        };
        self.arguments(&filter.args);
        let Meaning::ListOf(fields) = meaning else {
            return Meaning::Any;
        };
        for (place, argument) in filter.args.iter().enumerate() {
            let named = match argument {
                CallArg::Pos(value) if place == 0 && TAKES_FIELD.contains(&filter.name) => value,
                CallArg::Kwarg("attribute", value) => value,
                _ => continue,
            };
            if let Some(name) = text_of(named) {
                let name = name.split('.').next().unwrap_or_default();
                self.field(fields, name, named.span());
            }
        }
        match filter.name {
            "groupby" => Meaning::Groups(fields),
            "first" | "last" => Meaning::Map(fields),
            name if SAME_ITEMS.contains(&name) => meaning,
            _ => Meaning::Any,
        }
    }

    fn known_word(&mut self, what: &str, name: &str, span: Span, is_known: bool) {
        if !is_known {
            let problem = self.problem(span, format!("unknown {what} {name}"));
            self.problems.push(problem.meant(name, engine::FILTERS));
        }
    }

    fn call(&mut self, call: &Call<'_>, span: Span) {
        self.visit(&call.expr);
        self.arguments(&call.args);
        let (Expr::Var(function), Some(CallArg::Pos(first))) = (&call.expr, call.args.first())
        else {
            return;
        };
        let Some(text) = text_of(first) else { return };
        let app = self.app;
        let (what, known): (_, Vec<&str>) = match function.id {
            "link" | "may" => (
                "route",
                app.routes.iter().map(|route| route.name.as_str()).collect(),
            ),
            "asset" => (
                "file of static",
                app.assets
                    .keys()
                    .filter_map(|path| path.strip_prefix("/static/"))
                    .collect(),
            ),
            _ => return,
        };
        if !known.contains(&text.as_str()) {
            let problem = self.problem(span, format!("unknown {what} {text}"));
            self.problems.push(problem.meant(&text, known));
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.visit(value),
            }
        }
    }

    /// Finds the block that an expression names, if that is known.
    fn block_named(&mut self, name: &Expr<'_>) -> Option<&'a Block> {
        self.visit(name);
        let text = text_of(name)?;
        let app = self.app;
        let found = app.blocks.get(&text);
        if found.is_none() {
            let problem = self.problem(name.span(), format!("unknown block {text}"));
            let known = app.blocks.keys().map(String::as_str);
            self.problems.push(problem.meant(&text, known));
        }
        found
    }

    /// Checks that a block which is shown by this one gets what it is given.
    fn given_on(&mut self, name: &Expr<'_>) {
        let Some(other) = self.block_named(name) else {
            return;
        };
        let needed = other
            .context
            .iter()
            .filter(|(_, declared)| !declared.optional);
        for (needed, _) in needed {
            let has = self.block.context.contains_key(needed)
                || self.scopes.iter().any(|scope| scope.contains_key(needed));
            if !has {
                let problem = format!(
                    "{} needs {needed}, which this block does not have",
                    other.name
                );
                self.problems.push(self.problem(name.span(), problem));
            }
        }
    }
}

/// Gives a text that stands in a template as it is.
fn text_of(expression: &Expr<'_>) -> Option<String> {
    match expression {
        Expr::Const(constant) => constant.value.as_str().map(str::to_owned),
        _ => None,
    }
}

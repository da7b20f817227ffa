//! An app with its data, as somebody with a role sees it: its pages, shown.

pub(crate) mod address;
pub(crate) mod asset;

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Environment, Value, value::Serde};

use crate::{
    App, Data, Problem, Problems,
    app::{CONFIG, Route},
    check::ITEM,
    engine,
};

/// How many pages a site may have: 100,000, so that a wrong list is noticed before a disk is full.
const PAGES_MAX: usize = 100_000;

/// An app with its data, as somebody sees it.
pub struct Site<'a> {
    /// The app.
    pub app: &'a App,
    /// The role of whoever looks at it.
    pub role: Option<&'a str>,
    environment: Environment<'static>,
    data: BTreeMap<String, Value>,
}

/// A page.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// Where it is.
    pub path: String,
    /// Its route.
    pub route: &'a Route,
    /// Which of the items it is the page of.
    item: Option<Value>,
}

impl<'a> Site<'a> {
    /// Puts an app and its data together.
    ///
    /// # Errors
    ///
    /// A role that the app does not have; templates that are none.
    pub fn new(app: &'a App, data: &Data, role: Option<&'a str>) -> Result<Self, Problems> {
        if let Some(role) = role
            && !app.roles.iter().any(|known| known == role)
        {
            let known = app.roles.iter().map(String::as_str);
            let problem = Problem::of(CONFIG, format!("auth.roles has no role {role}"));
            return Err(Problems(vec![problem.meant(role, known)]));
        }
        let data = data.iter();
        Ok(Self {
            app,
            role,
            environment: engine::environment(app, role)?,
            data: data
                .map(|(name, value)| (name.clone(), Value::from(Serde(value))))
                .collect(),
        })
    }

    /// Lists all pages, also those that may not be seen, by path.
    ///
    /// # Errors
    ///
    /// Two pages with the same path; items whose path cannot be made.
    pub fn pages(&self) -> Result<Vec<Page<'a>>, Problems> {
        let (mut pages, mut problems) = (Vec::new(), Vec::new());
        let app = self.app;
        for route in &app.routes {
            let items: Vec<_> = match &route.each {
                None => vec![None],
                Some(each) => {
                    let list = self.data.get(each).and_then(|list| list.try_iter().ok());
                    list.into_iter().flatten().map(Some).collect()
                }
            };
            for item in items {
                match engine::path_of(route, item.as_ref()) {
                    Ok(path) => pages.push(Page { path, route, item }),
                    Err(error) => problems.push(Problem::at(
                        CONFIG,
                        route.line,
                        error.detail().unwrap_or("no path").to_owned(),
                    )),
                }
            }
        }
        pages.sort_by(|a, b| a.path.cmp(&b.path));
        let mut seen = BTreeSet::new();
        for page in pages.iter().filter(|page| !seen.insert(&page.path)) {
            let problem = format!("routes.{}: two pages are {}", page.route.name, page.path);
            problems.push(Problem::at(CONFIG, page.route.line, problem));
        }
        if pages.len() > PAGES_MAX {
            problems.push(Problem::of(CONFIG, format!("more than {PAGES_MAX} pages")));
        }
        Problems::none_in(problems)?;
        Ok(pages)
    }

    /// Tells whether whoever looks may see a page.
    pub fn shows(&self, page: &Page<'_>) -> bool {
        page.route.access.admits(self.role)
    }

    /// Shows a page.
    ///
    /// # Errors
    ///
    /// What is wrong with its block, and where.
    pub fn show(&self, page: &Page<'_>) -> Result<String, Problem> {
        let mut context = self.data.clone();
        let Route {
            name,
            title,
            access,
            ..
        } = page.route;
        let told = BTreeMap::from([
            ("path", page.path.clone()),
            ("name", name.clone()),
            ("title", title.clone()),
            ("access", access.to_string()),
        ]);
        context.insert("page".to_owned(), Value::from(Serde(told)));
        if let Some(item) = &page.item {
            context.insert(ITEM.to_owned(), item.clone());
        }
        self.block(&page.route.block, context)
    }

    /// Shows a block by itself, with more than the app's data.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn render(&self, block: &str, more: &Data) -> Result<String, Problem> {
        let mut context = self.data.clone();
        let told = BTreeMap::from([
            ("path", "/"),
            ("name", block),
            ("title", block),
            ("access", "public"),
        ]);
        context.insert("page".to_owned(), Value::from(Serde(told)));
        for (name, value) in more {
            context.insert(name.clone(), Value::from(Serde(value)));
        }
        self.block(block, context)
    }

    fn block(&self, name: &str, context: BTreeMap<String, Value>) -> Result<String, Problem> {
        let template = self.environment.get_template(name);
        let shown = template.and_then(|template| template.render(Value::from(context)));
        shown.map_err(|error| engine::problem_of(self.app, name, &error))
    }
}

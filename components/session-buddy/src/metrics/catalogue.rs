//! Makes families of metrics, and gathers them.

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, core::Collector, proto::MetricFamily,
};

/// The families that there are. A family without a sample is not shown.
#[derive(Debug, Default)]
pub(super) struct Catalogue(Registry);

impl Catalogue {
    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.keep(IntGauge::new(name, help))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// Makes gauges whose values have fractions.
    pub(super) fn exact_gauges(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.keep(GaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.keep(Histogram::with_opts(options))
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
        labels: &[&str],
    ) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.keep(HistogramVec::new(options, labels))
    }

    /// Gives all samples as they are now.
    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.0.gather()
    }

    fn keep<F: Collector + Clone + 'static>(&self, made: prometheus::Result<F>) -> F {
        let family = made.expect("its name, labels and buckets are well formed");
        self.0
            .register(Box::new(family.clone()))
            .expect("no other family has its name");
        family
    }
}

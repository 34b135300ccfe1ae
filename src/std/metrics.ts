/**
 * Metrics of parts that are made anew while the program runs, as a reload does: what was counted goes on being counted, and
 * a gauge shows the part that there is now.
 */
import {
  Counter,
  type CounterConfiguration,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type HistogramConfiguration,
  type Registry,
} from 'prom-client';

/** The registry's counter of this name; made when there is none. */
export function counterOf<Label extends string = string>(
  registry: Registry,
  configuration: Omit<CounterConfiguration<Label>, 'registers'>,
): Counter<Label> {
  const known = registry.getSingleMetric(configuration.name);
  return known instanceof Counter ? known : new Counter({ ...configuration, registers: [registry] });
}

export function histogramOf<Label extends string = string>(
  registry: Registry,
  configuration: Omit<HistogramConfiguration<Label>, 'registers'>,
): Histogram<Label> {
  const known = registry.getSingleMetric(configuration.name);
  return known instanceof Histogram ? known : new Histogram({ ...configuration, registers: [registry] });
}

/** A gauge in the place of the one of this name that there may be: its `collect` looks at what was made last. */
export function gaugeOf<Label extends string = string>(
  registry: Registry,
  configuration: Omit<GaugeConfiguration<Label>, 'registers'>,
): Gauge<Label> {
  registry.removeSingleMetric(configuration.name);
  return new Gauge({ ...configuration, registers: [registry] });
}

package router

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

const namespace = "scbr"

// metrics are the router's collectors. Labels take values from fixed lists only: nothing in them depends on a client.
type metrics struct {
	refusals      *prometheus.CounterVec
	refusedUntold prometheus.Counter
	drops         *prometheus.CounterVec
	faults        *prometheus.CounterVec

	framesIn, framesOut, bytesIn, bytesOut prometheus.Counter
	publications, handled, deliveries      prometheus.Counter
	pauses, pausedSeconds                  prometheus.Counter
	swept, acceptFailures                  prometheus.Counter
	batchBytes                             prometheus.Histogram

	restarts, stalls prometheus.Counter
	list             prometheus.Gauge
	endorsedUntil    prometheus.Gauge
	listsRefused     prometheus.Counter
	ends             *prometheus.CounterVec

	stats atomic.Pointer[abi.StatsBody]
	base  atomic.Pointer[abi.StatsBody] // sums of the enclaves that have ended; only its counters count
	heard atomic.Pointer[time.Time]     // when the enclave sent statistics, or before them Ready
}

// Causes of the end of an enclave, as labels.
const (
	causeStalled = "stalled" // it did not answer
	causeFraming = "framing" // it broke the framing of the link
	causeEnded   = "ended"   // it ended, or hung up
)

// ended counts the end of an enclave, or of the attempt to start one.
func (m *metrics) ended(cause error) {
	label := causeEnded
	switch {
	case errors.Is(cause, errStalled), errors.Is(cause, errNotReady):
		label = causeStalled
	case errors.Is(cause, errLinkFrame):
		label = causeFraming
	}
	m.ends.WithLabelValues(label).Inc()
}

// settle adds the sums of an enclave that has ended to those before: the totals go on. Only the keeper calls it, when nothing more comes.
func (m *metrics) settle() {
	last := m.stats.Swap(nil)
	if last == nil {
		return
	}
	sum := *last
	if b := m.base.Load(); b != nil {
		sum.Handled += b.Handled
		sum.Matched += b.Matched
		sum.Refused += b.Refused
		sum.Faults += b.Faults
		sum.Evictions += b.Evictions
	}
	m.base.Store(&sum)
}

// dropReasons are the values of the drop metric's label.
func (v verdict) reason() string {
	switch v {
	case dropFull:
		return "queue_full"
	case dropEnded:
		return "session_ended"
	case dropLarge:
		return "delivery_too_large"
	case dropMemory:
		return "memory"
	case overflow:
		return "control_reserve_full"
	case dropSlow:
		return "slow_consumer"
	case dropOldest:
		return "oldest"
	case queued:
	}
	return "none"
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: "router", Name: name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: "router", Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		refusals:       vec("refusals_total", "Connections and sessions ended by the router or the enclave, by reason.", "reason"),
		drops:          vec("drops_total", "Deliveries not queued, by reason.", "reason"),
		faults:         vec("enclave_faults_total", "Frames of the enclave that made no sense and were ignored, by reason.", "reason"),
		refusedUntold:  counter("refused_untold_total", "Connections refused by QUIC because too many were being refused with a number."),
		framesIn:       counter("frames_in_total", "Frames read from clients."),
		framesOut:      counter("blobs_out_total", "Blobs and key exchange messages queued for clients."),
		bytesIn:        counter("bytes_in_total", "Bytes read from clients."),
		bytesOut:       counter("bytes_out_total", "Bytes written to clients."),
		publications:   counter("publications_total", "Publications forwarded to the enclave."),
		handled:        counter("publications_handled_total", "Publications the enclave has handled."),
		deliveries:     counter("deliveries_total", "Envelopes with their payloads queued for clients."),
		pauses:         counter("publish_pauses_total", "Publication frames that waited for a delivery queue."),
		restarts:       prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: "enclave", Name: "restarts_total", Help: "Starts of an enclave after the first, failed ones included."}),
		stalls:         prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: "enclave", Name: "stalls_total", Help: "Enclaves given up because they did not answer."}),
		ends:           prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: "enclave", Name: "ends_total", Help: "Ends of an enclave that nobody asked for, and failed starts, by cause."}, []string{"cause"}),
		list:           prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: "enclave", Name: "revocation_list", Help: "Number of the revocation list in force; 0: none."}),
		endorsedUntil:  prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: "enclave", Name: "endorsed_until_seconds", Help: "When the newest endorsement ends, in seconds since 1970; 0: none was taken."}),
		listsRefused:   prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: "enclave", Name: "revocation_lists_refused_total", Help: "Revocation lists that the enclave refused."}),
		pausedSeconds:  counter("publish_paused_seconds_total", "Time publication frames waited for a delivery queue."),
		acceptFailures: counter("accept_failures_total", "Failures to accept a TCP connection that may pass, such as too many open files."),
		swept:          counter("payloads_swept_total", "Payloads of ended sessions that the enclave never reported as handled."),
		batchBytes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "router", Name: "link_batch_bytes",
			Help: "Bytes per write to the enclave.", Buckets: prometheus.ExponentialBuckets(64, 4, 9),
		}),
	}
	for k := wire.Unavailable; k <= wire.Busy; k++ {
		m.refusals.WithLabelValues(k.String())
	}
	for _, cause := range []string{causeStalled, causeFraming, causeEnded} {
		m.ends.WithLabelValues(cause)
	}
	for v := dropFull; v <= dropOldest; v++ {
		m.drops.WithLabelValues(v.reason())
	}
	return m
}

// register adds everything to reg, with what is read at scrape time.
func (m *metrics) register(reg *prometheus.Registry, r *Router) error {
	for _, c := range []prometheus.Collector{
		m.refusals, m.drops, m.faults, m.refusedUntold, m.framesIn, m.framesOut, m.bytesIn, m.bytesOut, m.publications, m.handled,
		m.deliveries, m.pauses, m.pausedSeconds, m.swept, m.acceptFailures, m.batchBytes, m.restarts, m.stalls, m.ends, m.list, m.listsRefused, m.endorsedUntil,
		gauge("enclave", "up", "1 while an enclave serves.", r.flag(func(s EnclaveState) bool { return s.Up })),
		gauge("enclave", "circuit_open", "1 while the enclave is not started again because it ended too often.", r.flag(func(s EnclaveState) bool { return s.Circuit })),
		gauge("router", "sessions", "Confirmed sessions.", func() float64 { _, n := r.admission.counts(); return float64(n) }),
		gauge("router", "half_open", "Key exchanges going on.", func() float64 { n, _ := r.admission.counts(); return float64(n) }),
		gauge("router", "queue_bytes", "Bytes waiting for clients.", func() float64 { return float64(r.backlog.bytes.Load()) }),
		gauge("router", "payloads", "Payloads waiting for the enclave.", r.waiting(func(n, _ int) int { return n })),
		gauge("router", "payload_bytes", "Bytes of payloads waiting for the enclave, with 128 for each payload.", r.waiting(func(_, n int) int { return n })),
		m.stat("subscriptions", "Subscriptions stored.", func(s *abi.StatsBody) float64 { return float64(s.Subscriptions) }),
		m.stat("store_bytes", "Bytes of the subscription store in use, rounded up to 64 KiB.", func(s *abi.StatsBody) float64 { return float64(s.StoreBytes) }),
		m.stat("budget_bytes", "Bytes the subscription store may use.", func(s *abi.StatsBody) float64 { return float64(s.BudgetBytes) }),
		m.stat("rows_bytes", "Of the store: what is scanned for each event, rounded up to 64 KiB.", func(s *abi.StatsBody) float64 { return float64(s.Memory.Rows) }),
		m.stat("records_bytes", "Of the store: tags, exact ends and handles of filters, rounded up to 64 KiB.", func(s *abi.StatsBody) float64 { return float64(s.Memory.Records) }),
		m.stat("dictionaries_bytes", "Of the store: names, strings and lists of constraints, rounded up to 64 KiB.", func(s *abi.StatsBody) float64 { return float64(s.Memory.Dictionaries) }),
		m.stat("owners_bytes", "Of the store: clusters and tables, rounded up to 64 KiB.", func(s *abi.StatsBody) float64 { return float64(s.Memory.Owners) }),
		m.stat("free_bytes", "Of the store: holes, rounded up to 64 KiB.", func(s *abi.StatsBody) float64 { return float64(s.Memory.Free) }),
		m.stat("outside_bytes", "Of the store: kept outside the budget, sealed, rounded up to 64 KiB.", func(s *abi.StatsBody) float64 { return float64(s.Memory.Outside) }),
		m.stat("heap_bytes", "Held by the enclave's Go runtime, rounded up to 64 KiB; no part of the store.", func(s *abi.StatsBody) float64 { return float64(s.Memory.Heap) }),
		m.stat("sessions", "Sessions alive in the enclave.", func(s *abi.StatsBody) float64 { return float64(s.Sessions) }),
		gauge("enclave", "stats_age_seconds", "Time since the enclave last sent statistics, which it does about once a second.", func() float64 { return r.EnclaveSilence().Seconds() }),
		m.total("handled_total", "Publications handled since the router started.", func(s *abi.StatsBody) uint64 { return s.Handled }),
		m.total("matched_total", "Envelopes sealed since the router started.", func(s *abi.StatsBody) uint64 { return s.Matched }),
		m.epcTotal("faults_total", "Pages that the simulated EPC brought in since the router started; 0 without one.", func(s *abi.StatsBody) uint64 { return s.Faults }),
		m.epcTotal("evictions_total", "Pages that the simulated EPC sealed and took away since the router started.", func(s *abi.StatsBody) uint64 { return s.Evictions }),
		m.total("refused_total", "Publications and commands refused since the router started.", func(s *abi.StatsBody) uint64 { return s.Refused }),
	} {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// gauge reads a value at scrape time.
func gauge(subsystem, name, help string, f func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, f)
}

// stat is a value of the enclave's statistics; 0 without them.
func (m *metrics) stat(name, help string, f func(s *abi.StatsBody) float64) prometheus.Collector {
	return gauge("enclave", name, help, func() float64 {
		if s := m.stats.Load(); s != nil {
			return f(s)
		}
		return 0
	})
}

// total is a sum over the enclave's life and those before it.
func (m *metrics) total(name, help string, f func(s *abi.StatsBody) uint64) prometheus.Collector {
	return m.sum("enclave", name, help, f)
}

// epcTotal is total for the memory that the enclave lives in.
func (m *metrics) epcTotal(name, help string, f func(s *abi.StatsBody) uint64) prometheus.Collector {
	return m.sum("epc", name, help, f)
}

func (m *metrics) sum(subsystem, name, help string, f func(s *abi.StatsBody) uint64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, func() float64 {
		var sum uint64
		if s := m.base.Load(); s != nil {
			sum = f(s)
		}
		if s := m.stats.Load(); s != nil {
			sum += f(s)
		}
		return float64(sum)
	})
}

// waiting reads the store of payloads, if there is an enclave.
func (r *Router) waiting(f func(items, bytes int) int) func() float64 {
	return func() float64 {
		if l := r.life.Load(); l != nil {
			return float64(f(l.payloads.counts()))
		}
		return 0
	}
}

// flag is 1 for true.
func (r *Router) flag(f func(s EnclaveState) bool) func() float64 {
	return func() float64 {
		if f(r.EnclaveState()) {
			return 1
		}
		return 0
	}
}

package trial

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Report is the outcome of a run. The keys are a contract with scripts: they are added to, never renamed.
type Report struct {
	Subscriptions         int     `json:"subscriptions"`
	Publications          int     `json:"publications"`
	Expected              int     `json:"expected"`
	Delivered             int     `json:"delivered"`
	Missing               int     `json:"missing"`
	Unexpected            int     `json:"unexpected"`
	PublicationsPerSecond float64 `json:"publications_per_second"`
	Latency               Latency `json:"latency_us"`
	// BytesPerSubscription is the store's size, which the enclave tells in steps of 64 KiB, shared out: only
	// with many subscriptions does it say something about one.
	BytesPerSubscription float64 `json:"bytes_per_subscription"`
	// StoreBytes and HeapBytes are what the enclave's store and its Go runtime hold once all have subscribed.
	StoreBytes float64 `json:"store_bytes"`
	HeapBytes  float64 `json:"heap_bytes"`
	// Announced is how many of the missing pairs lie inside a window, of their subscriber, in which the SDK said that deliveries may be
	// lost: from the last confirmed sequence to the acknowledged re-subscription, or between the deliveries around a counted loss.
	Announced       int    `json:"announced_lost"`
	Rate            int    `json:"rate"` // asked for, publications/s; 0: as fast as possible
	EnclaveRestarts int    `json:"enclave_restarts"`
	RouterRestarts  int    `json:"router_restarts"`
	OutageMillis    int64  `json:"outage_ms"`          // longest time that a subscriber was without all its subscriptions
	Resent          uint64 `json:"resent"`             // publications sent again, because their session ended before the acknowledgement
	Duplicates      uint64 `json:"duplicates_dropped"` // deliveries that the SDK dropped because it had given them to the application before

	EPCFaults    uint64 `json:"epc_faults"`    // pages that the simulated EPC brought in; 0 without one
	EPCEvictions uint64 `json:"epc_evictions"` // pages that it took away

	assault   *Assault
	simulated bool // there was one

	Host       HostView       `json:"-"`
	Subscriber SubscriberView `json:"-"`
}

const mib = 1 << 20

// Latency is the time from the call of Publish to the opened delivery, in microseconds.
type Latency struct {
	P50 int64 `json:"p50"`
	P99 int64 `json:"p99"`
}

// HostView is what routerd itself reports of the latest publication it carried.
type HostView struct {
	Publisher   uint64   `json:"publisher_connection"`
	HeaderBytes int      `json:"sealed_header_bytes"`
	Header      string   `json:"sealed_header"` // hex, cut
	Payload     string   `json:"sealed_payload"`
	PayloadSize int      `json:"sealed_payload_bytes"`
	Recipients  []uint64 `json:"recipient_connections"`
	Handled     bool     `json:"handled"`
}

// SubscriberView is the same publication as one matching subscriber opened it.
type SubscriberView struct {
	Publisher     string
	Sequence      uint64
	Subscriptions []string
	Attributes    []string
	Payload       []byte
}

// OK says whether every expected pair arrived once and nothing else did. In a run with an assault pairs may be missing that the SDK
// announced as possibly lost, and the assault must have had its effect.
func (r *Report) OK() bool {
	if r.Unexpected > 0 {
		return false
	}
	if r.assault == nil {
		return r.Missing == 0
	}
	return r.Missing == r.Announced && (r.assault.Struck == nil || r.assault.Struck(r))
}

// WriteJSON writes the table as one line.
func (r *Report) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// WriteTable writes the table for people.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	row := func(name, format string, v ...any) {
		fmt.Fprintf(&b, "  %-28s "+format+"\n", append([]any{name}, v...)...)
	}
	b.WriteString("\n")
	row("subscriptions", "%d", r.Subscriptions)
	row("publications", "%d", r.Publications)
	row("expected pairs", "%d", r.Expected)
	row("delivered", "%d", r.Delivered)
	row("missing", "%d", r.Missing)
	row("unexpected", "%d", r.Unexpected)
	if r.assault != nil {
		row("of the missing, announced", "%d (the SDK told the subscriber that these may be lost)", r.Announced)
		row("restarts enclave / router", "%d / %d", r.EnclaveRestarts, r.RouterRestarts)
		row("longest outage", "%d ms (a subscriber without all its subscriptions)", r.OutageMillis)
		row("publications sent again", "%d", r.Resent)
		row("duplicates dropped", "%d", r.Duplicates)
	}
	if r.PublicationsPerSecond > 0 {
		row("publications/s, steady part", "%.0f", r.PublicationsPerSecond)
	} else {
		row("publications/s, steady part", "too short to measure")
	}
	row("delivery latency p50 / p99", "%d / %d us%s", r.Latency.P50, r.Latency.P99, r.latencyNote())
	row("bytes per subscription", "%.0f (enclave's store, which it reports in steps)", r.BytesPerSubscription)
	row("enclave's store / Go runtime", "%.1f / %.1f MiB", r.StoreBytes/mib, r.HeapBytes/mib)
	if r.simulated {
		row("EPC faults / evictions", "%d / %d", r.EPCFaults, r.EPCEvictions)
	}
	b.WriteString("\n")
	if r.Expected > 0 {
		r.writeViews(&b)
	} else {
		b.WriteString("  no publication matches any subscription: nothing to compare\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// latencyNote says what the latency was measured under.
func (r *Report) latencyNote() string {
	if r.Rate == 0 {
		return " (publishing as fast as possible: mostly time in queues; --rate measures without)"
	}
	return fmt.Sprintf(" (at %d/s)", r.Rate)
}

const (
	columnWidth = 46
)

func (r *Report) writeViews(b *strings.Builder) {
	h, s := r.Host, r.Subscriber
	left := []string{
		fmt.Sprintf("from connection %d", h.Publisher),
		fmt.Sprintf("to connections %v", h.Recipients),
		fmt.Sprintf("sealed header, %d bytes:", h.HeaderBytes),
	}
	left = append(left, wrap(h.Header, columnWidth-2, 3)...)
	left = append(left, fmt.Sprintf("sealed payload, %d bytes:", h.PayloadSize))
	left = append(left, wrap(h.Payload, columnWidth-2, 3)...)
	right := []string{
		fmt.Sprintf("from %s, number %d", s.Publisher, s.Sequence),
		"matched " + strings.Join(s.Subscriptions, " "),
		"attributes:",
	}
	for _, a := range s.Attributes {
		right = append(right, "  "+a)
	}
	right = append(right, fmt.Sprintf("payload, %d bytes:", len(s.Payload)))
	right = append(right, wrap(fmt.Sprintf("%x", s.Payload), columnWidth-2, 2)...)
	fmt.Fprintf(b, "  %-*s | %s\n", columnWidth, "WHAT THE HOST SAW", "WHAT THE SUBSCRIBER SAW")
	fmt.Fprintf(b, "  %s-+-%s\n", strings.Repeat("-", columnWidth), strings.Repeat("-", columnWidth))
	for i := range max(len(left), len(right)) {
		fmt.Fprintf(b, "  %-*s | %s\n", columnWidth, cell(left, i), cell(right, i))
	}
}

func cell(lines []string, i int) string {
	if i >= len(lines) {
		return ""
	}
	if len(lines[i]) > columnWidth {
		return lines[i][:columnWidth-1] + "…"
	}
	return lines[i]
}

// wrap cuts s into at most n indented lines of width w.
func wrap(s string, w, n int) []string {
	var out []string
	for len(s) > 0 && len(out) < n {
		k := min(w, len(s))
		out = append(out, "  "+s[:k])
		s = s[k:]
	}
	if len(s) > 0 && len(out) > 0 {
		last := out[len(out)-1]
		out[len(out)-1] = last[:len(last)-1] + "…"
	}
	return out
}

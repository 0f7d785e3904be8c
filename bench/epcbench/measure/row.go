package measure

import (
	"math"
	"strconv"
)

// Layouts of a store.
const (
	Ours     = "ours"     // package matcher
	Contrast = "contrast" // package poset
)

// Accesses to a store.
const (
	Match    = "match"
	Register = "register"
)

// What happens to what does not fit.
const (
	Pager = "pager" // pages go and come as they are touched
	Spill = "spill" // the store moves parts of itself out and back, and keeps to its budget
)

// Sources of faults.
const (
	FromPager = "pager" // counted and timed
	FromModel = "model" // counted by package epcmodel, at a stated cost
	FromReal  = "real"  // an enclave's own memory: only times
)

// Row is one point of the sweep. The JSON names are a contract. MB are MiB.
type Row struct {
	Layout         string  `json:"layout"`
	Workload       string  `json:"workload"`
	Access         string  `json:"access"`
	Overflow       string  `json:"overflow"`
	Subscriptions  int     `json:"subscriptions"`
	StoreMB        float64 `json:"store_mb"` // committed memory, spilled parts included
	EPCMB          float64 `json:"epc_mb"`
	Slowdown       float64 `json:"slowdown"`         // time, by that of the same layout with an unlimited EPC; 0: not known
	FaultsPerEvent float64 `json:"faults_per_event"` // pages brought back, by event or registration; of spill, parts of the store
	Batch          int     `json:"batch"`            // events matched at a time
	FaultCostUs    float64 `json:"fault_cost_us"`    // measured on the pager in this run, or the model's
	Source         string  `json:"source"`

	Policy          string   `json:"policy"`
	NsPerEvent      float64  `json:"ns_per_event"`           // wall clock, median pass
	UnlimitedNs     float64  `json:"unlimited_ns_per_event"` // the same with an unlimited EPC
	PagesPerEvent   *float64 `json:"pages_per_event"`        // distinct ones touched; null: not counted
	MatchesPerEvent float64  `json:"matches_per_event"`      // 0 of registrations
	Events          int      `json:"events"`                 // in each pass
	// AssumedSlowdown is what Slowdown would be if a fault cost AssumedCostUs: null
	// unless asked for, and never measured.
	AssumedCostUs   *float64 `json:"assumed_fault_cost_us"`
	AssumedSlowdown *float64 `json:"assumed_slowdown"`
}

const nsPerUs = 1000

// assume works out what a fault of another cost would make of a row: the time without
// a limit, and that for each fault. What a fault cost here is left out of it, because
// it differs with what else the machine does.
func (r *Row) assume(costUs float64) {
	slowdown := rounded(1 + r.FaultsPerEvent*costUs*nsPerUs/r.UnlimitedNs)
	r.AssumedCostUs, r.AssumedSlowdown = &costUs, &slowdown
}

// digits are those that a figure keeps; the machine has fewer.
const digits = 4

// rounded keeps them.
func rounded(x float64) float64 {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	y, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', digits-1, 64), 64) // it was written just now
	return y
}

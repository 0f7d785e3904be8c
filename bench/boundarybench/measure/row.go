package measure

import (
	"math"
	"slices"
)

// Row is the figures of one side. Times are nanoseconds an event, the medians of passes that took turns with those of the other sides;
// ratios are medians of what a pass took beside the plain one of its turn. The JSON names are a contract.
type Row struct {
	Workload          string   `json:"workload"`
	Subscriptions     int      `json:"subscriptions"`
	Side              string   `json:"side"`
	Batch             int      `json:"batch"`   // publications in a frame; 0: events one by one
	CPUNs             float64  `json:"cpu_ns"`  // processor time of the measuring thread, or of the enclaved process and its pager
	WallNs            float64  `json:"wall_ns"` // from the first byte handed over to the last answer read
	CPURatio          float64  `json:"cpu_ratio"`
	WallRatio         float64  `json:"wall_ratio"`
	LLCMisses         *float64 `json:"llc_misses"` // nil: see the reason
	LLCReason         string   `json:"llc_reason,omitempty"`
	MatchesPerEvent   float64  `json:"matches_per_event"`
	EnvelopesPerEvent float64  `json:"envelopes_per_event"`
	Events            int      `json:"events"` // in a pass
	Passes            int      `json:"passes"`
	PairsChecked      int      `json:"pairs_checked"` // matches that were compared with the linear scan's
}

// measure lets the sides take turns.
func (b *bench) measure(sides []side) ([]Row, error) {
	times := make([][]spent, len(sides))
	for range b.Passes {
		for i := range sides {
			t, err := sides[i].pass()
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], t)
		}
	}
	rows := make([]Row, len(sides))
	n := float64(len(b.events))
	for i := range sides {
		s := &sides[i]
		rows[i] = Row{
			Workload: b.Workload, Subscriptions: b.Subscriptions, Side: s.kind, Batch: s.batch,
			CPUNs:     median(times[i], func(j int) float64 { return times[i][j].cpu }),
			WallNs:    median(times[i], func(j int) float64 { return times[i][j].wall }),
			CPURatio:  median(times[i], func(j int) float64 { return times[i][j].cpu / times[0][j].cpu }),
			WallRatio: median(times[i], func(j int) float64 { return times[i][j].wall / times[0][j].wall }),
			Events:    len(b.events), Passes: b.Passes, PairsChecked: b.truth.pairs(),
			MatchesPerEvent: rounded(float64(b.truth.pairs()) / n), EnvelopesPerEvent: rounded(float64(b.truth.envelopes()) / n),
		}
		if s.party == nil {
			rows[i].EnvelopesPerEvent = 0
		}
		if misses, err := s.misses(); err != nil {
			rows[i].LLCReason = err.Error()
		} else {
			misses = rounded(misses)
			rows[i].LLCMisses = &misses
		}
	}
	return rows, nil
}

// median is that of what of gives for each pass.
func median(passes []spent, of func(i int) float64) float64 {
	all := make([]float64, len(passes))
	for i := range passes {
		all[i] = of(i)
	}
	slices.Sort(all)
	return rounded((all[(len(all)-1)/2] + all[len(all)/2]) / 2)
}

// rounded drops digits that no clock here has.
func rounded(x float64) float64 {
	const digits = 1000
	return math.Round(x*digits) / digits
}

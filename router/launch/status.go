package launch

import (
	"encoding/json"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Status is what GET /status says: numbers for people, all of them also in /metrics. The keys are a contract.
type Status struct {
	Version       string             `json:"version"`
	UptimeSeconds float64            `json:"uptime_seconds"`
	Ready         bool               `json:"ready"`
	Reason        string             `json:"reason,omitempty"` // why not ready
	Counters      map[string]float64 `json:"counters"`         // by the name of the metric without "scbr_" and, of counters, "_total"
	Drops         map[string]float64 `json:"drops"`            // deliveries dropped, by reason
	Refusals      map[string]float64 `json:"refusals"`         // connections and sessions ended, by reason
}

// status answers GET /status.
func (a *admin) status(w http.ResponseWriter, _ *http.Request) {
	s := Status{
		Version: version(), UptimeSeconds: time.Since(a.began).Seconds(), Reason: a.unready(),
		Counters: map[string]float64{}, Drops: map[string]float64{}, Refusals: map[string]float64{},
	}
	s.Ready = s.Reason == ""
	families, err := a.registry.Gather()
	if err != nil {
		http.Error(w, "metrics cannot be gathered", http.StatusInternalServerError)
		return
	}
	for _, f := range families {
		s.add(f)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s)
}

// add takes one metric.
func (s *Status) add(f *dto.MetricFamily) {
	name, ours := strings.CutPrefix(f.GetName(), "scbr_")
	if !ours || f.GetType() == dto.MetricType_HISTOGRAM {
		return
	}
	for _, m := range f.GetMetric() {
		v := m.GetCounter().GetValue() + m.GetGauge().GetValue()
		switch labels := m.GetLabel(); {
		case len(labels) == 0:
			s.Counters[strings.TrimSuffix(name, "_total")] = v
		case v == 0:
		case name == "router_drops_total":
			s.Drops[labels[0].GetValue()] = v
		case name == "router_refusals_total":
			s.Refusals[labels[0].GetValue()] = v
		}
	}
}

// version is that of the module, or of the working tree that routerd was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}

package launch

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/scbr/scbr/router"
)

// answerTimeout is how long an enclave, which sends statistics about once a second, may be silent and still be ready.
const answerTimeout = 5 * time.Second

// httpTimeout bounds each phase of a request: scrapers are near and ask for little.
const httpTimeout = 10 * time.Second

// admin is the HTTP side: metrics and health. It shows numbers only.
type admin struct {
	registry *prometheus.Registry
	router   atomic.Pointer[router.Router] // nil: not ready
	began    time.Time
	mux      *http.ServeMux
	listener net.Listener
	server   http.Server
	done     chan struct{}
}

func startAdmin(addr string) (*admin, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	a := &admin{began: time.Now(), registry: prometheus.NewRegistry(), listener: ln, done: make(chan struct{})}
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	a.mux = mux
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /status", a.status)
	mux.HandleFunc("GET /statement", a.statement)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, "") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { say(w, a.unready()) })
	a.server = http.Server{
		Handler: mux, ReadTimeout: httpTimeout, ReadHeaderTimeout: httpTimeout, WriteTimeout: httpTimeout, IdleTimeout: httpTimeout,
		MaxHeaderBytes: 16 << 10,
	}
	go func() {
		defer close(a.done)
		_ = a.server.Serve(ln)
	}()
	return a, nil
}

// showHostView lets a developer look over the host's shoulder: POST records the next publication, GET shows what the host saw of
// it. It is ciphertext and connection numbers, but it is no operator's business, so only development routers have it.
func (a *admin) showHostView(r *router.Router) {
	a.mux.HandleFunc("POST /host-view", func(w http.ResponseWriter, _ *http.Request) {
		r.Watch()
		w.WriteHeader(http.StatusNoContent)
	})
	a.mux.HandleFunc("GET /host-view", func(w http.ResponseWriter, _ *http.Request) {
		g, ok := r.Glimpse()
		if !ok {
			http.Error(w, "nothing recorded: POST /host-view, then publish", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(g)
	})
}

// statement shows what the enclave says of its newest key, to endorsers. Clients get the same; nothing in it is secret.
func (a *admin) statement(w http.ResponseWriter, _ *http.Request) {
	r := a.router.Load()
	if r == nil || r.Statement() == nil {
		http.Error(w, "no enclave has said anything yet", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(r.Statement())
}

// unready says why no traffic should come; "" for no reason.
func (a *admin) unready() string {
	r := a.router.Load()
	if r == nil {
		return "not ready"
	}
	if r.Draining() {
		return "draining"
	}
	return unready(r.EnclaveState(), r.EnclaveSilence())
}

func unready(s router.EnclaveState, silence time.Duration) string {
	switch {
	case !s.Up:
		return s.Reason
	case silence > answerTimeout:
		return "enclave does not answer"
	}
	return ""
}

func say(w http.ResponseWriter, fault string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if fault != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(fault + "\n"))
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// stop ends the server; a request that is going on has a second.
func (a *admin) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		_ = a.server.Close()
	}
	<-a.done
}

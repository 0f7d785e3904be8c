package episode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/scbr/scbr/bench/lossy"
	"github.com/scbr/scbr/bench/trial"
)

const (
	// stopped is how long a process is stopped: longer than routerd waits for an enclave, shorter than clients wait for a router.
	stopped = 2 * time.Second
	// fewFiles is what routerd may open in the episode without file descriptors: what it needs, and a few.
	fewFiles = 40
	// rudePeers is how many connections take them all.
	rudePeers = 200
	// tinyInodes is how many files the full file system has.
	tinyInodes = 16
)

// All are the episodes, in the order of a run.
func All() []Episode {
	return []Episode{
		{Name: "calm", What: "nothing happens: the control of the experiment"},
		{Name: "kill-enclave", What: "kill -9 of enclaved", Assault: func(*Stage) *trial.Assault { return trial.KillEnclave() }},
		{Name: "kill-router", What: "kill -9 of routerd, started again", Assault: func(*Stage) *trial.Assault { return trial.KillRouter() }},
		{Name: "stop-enclave", What: "SIGSTOP of enclaved: routerd has to notice and replace it", Assault: stopEnclave},
		{Name: "stop-router", What: "SIGSTOP of routerd for 2 s, then SIGCONT: a pause, and nothing may be lost by it", Assault: stopRouter},
		{Name: "loss", What: "10 % of the datagrams are lost", Network: lossy.Faults{Loss: 0.1}},
		{Name: "rude-network", What: "loss, duplicates, reordering and flipped bits, 3 % each", Network: lossy.Faults{Loss: 0.03, Duplicate: 0.03, Corrupt: 0.03, Reorder: 0.03}},
		{Name: "rebinding", What: "every client gets another source port in the middle", Assault: rebind},
		{Name: "blackout", What: "no datagram passes for 2 s", Assault: blackout},
		{Name: "log-full", What: "the disk that the log goes to is full, and enclaved is killed", Wrap: toFullDisk(), Needs: haveFull, Assault: func(*Stage) *trial.Assault { return trial.KillEnclave() }},
		{Name: "disk-full", What: "no file can be made when enclaved is killed, for 2 s", Needs: tinyDisk, Assault: fillDisk},
		{Name: "no-files", What: "no file descriptor is free when enclaved is killed, for 2 s", Wrap: shell(fmt.Sprintf("ulimit -n %d", fewFiles)), Assault: useFiles},
	}
}

// shell runs routerd behind a line of shell.
func shell(line string) []string { return []string{"sh", "-c", line + `; exec "$@"`, "sh"} }

func toFullDisk() []string { return []string{"sh", "-c", `exec "$@" 2>/dev/full`, "sh"} }

func haveFull(*Stage) error {
	_, err := os.Stat("/dev/full")
	return err
}

func restarted(r *trial.Report) bool { return r.EnclaveRestarts > 0 }

func stopEnclave(*Stage) *trial.Assault {
	return &trial.Assault{
		Name:   "stop-enclave",
		Do:     func(_ context.Context, s *trial.System) error { return s.SignalEnclave(syscall.SIGSTOP) },
		Struck: restarted,
	}
}

func stopRouter(*Stage) *trial.Assault {
	return &trial.Assault{
		Name: "stop-router",
		Do: func(ctx context.Context, s *trial.System) error {
			err := s.Signal(syscall.SIGSTOP)
			pause(ctx, stopped)
			return errors.Join(err, s.Signal(syscall.SIGCONT))
		},
	}
}

func rebind(st *Stage) *trial.Assault {
	return &trial.Assault{Name: "rebinding", Do: func(context.Context, *trial.System) error { return st.Proxy.Rebind() }}
}

func blackout(st *Stage) *trial.Assault {
	return &trial.Assault{Name: "blackout", Do: func(ctx context.Context, _ *trial.System) error {
		st.Proxy.Set(lossy.Faults{Loss: 1})
		pause(ctx, stopped)
		st.Proxy.Set(lossy.Faults{})
		return nil
	}}
}

// tinyDisk makes a file system of few files for routerd's temporary folder.
func tinyDisk(st *Stage) error {
	dir := filepath.Join(st.Dir, "tmp")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=1m,nr_inodes=%d,mode=700", tinyInodes)); err != nil {
		return fmt.Errorf("no file system can be mounted here: %w", err)
	}
	st.cleanup = append(st.cleanup, func() { _ = syscall.Unmount(dir, 0) })
	st.env = append(st.env, "TMPDIR="+dir)
	return nil
}

// fillDisk uses every file up, kills enclaved, and gives the files back.
func fillDisk(st *Stage) *trial.Assault {
	return &trial.Assault{
		Name:   "disk-full",
		Struck: restarted,
		Do: func(ctx context.Context, s *trial.System) error {
			var files []string
			fill := func() {
				for {
					name := filepath.Join(st.Dir, "tmp", fmt.Sprint("full-", len(files)))
					if os.WriteFile(name, nil, 0o600) != nil {
						return
					}
					files = append(files, name)
				}
			}
			fill()
			err := s.SignalEnclave(syscall.SIGKILL)
			// The end of the enclave gives the files of its link back, which the next one could use.
			for end := time.Now().Add(stopped); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, time.Millisecond) {
				fill()
			}
			for _, name := range files {
				err = errors.Join(err, os.Remove(name))
			}
			return err
		},
	}
}

// useFiles opens connections until routerd has no file descriptor left, kills enclaved, and closes them.
func useFiles(*Stage) *trial.Assault {
	return &trial.Assault{
		Name:   "no-files",
		Struck: restarted,
		Do: func(ctx context.Context, s *trial.System) error {
			var peers []net.Conn
			for range rudePeers {
				// The HTTP side accepts anybody; so does the TCP side of the router.
				c, err := net.DialTimeout("tcp", s.Metrics, time.Second)
				if err != nil {
					break
				}
				peers = append(peers, c)
			}
			err := s.SignalEnclave(syscall.SIGKILL)
			pause(ctx, stopped)
			for _, c := range peers {
				_ = c.Close()
			}
			return err
		},
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

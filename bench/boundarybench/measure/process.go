package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/devinit"
)

const (
	// patience bounds every wait for the process; it only decides how soon a broken one is reported.
	patience = 60 * time.Second
	// stopPatience bounds the wait for its end.
	stopPatience = 10 * time.Second
	// socketBuffer holds the largest batch, so that host and enclave do not take turns within one.
	socketBuffer = 4 << 20
)

func platformOf(dir string) string { return filepath.Join(dir, devinit.PlatformDir) }

// process is an enclaved behind its unix socket.
type process struct {
	cmd  *exec.Cmd
	conn *net.UnixConn
	said *bytes.Buffer
	clk  clock
	buf  []byte // what was read
	held int    // so much of it is not yet a whole frame
}

// newProcess starts the enclaved in folder bin, with its files in dir, and returns what a client of it needs.
func newProcess(ctx context.Context, bin, dir string) (*process, client.Config, error) {
	exe, dev, socket := filepath.Join(bin, "enclaved"), filepath.Join(dir, "dev"), filepath.Join(dir, "s")
	if out, err := exec.CommandContext(ctx, exe, "dev-init", dev).CombinedOutput(); err != nil { // #nosec G204 -- the binary just built
		return nil, client.Config{}, fmt.Errorf("enclaved dev-init: %w\n%s", err, out)
	}
	cfg, err := client.LoadDir(dev)
	if err != nil {
		return nil, cfg, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, cfg, err
	}
	defer l.Close() //nolint:errcheck // one connection is all that is wanted of it
	p := &process{said: &bytes.Buffer{}, buf: make([]byte, socketBuffer)}
	p.cmd = exec.CommandContext(ctx, exe, "run", "--socket", socket, "--domain", filepath.Join(dev, devinit.DomainFile), // #nosec G204 -- as above
		"--platform", platformOf(dev), "--router", cfg.Router)
	p.cmd.Stderr = p.said
	if err := p.cmd.Start(); err != nil {
		return nil, cfg, err
	}
	if err := p.greet(l); err != nil {
		return nil, cfg, errors.Join(err, p.close())
	}
	return p, cfg, nil
}

// greet waits for the enclave's first frame.
func (p *process) greet(l *net.UnixListener) (err error) {
	if err := l.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if p.conn, err = l.AcceptUnix(); err != nil {
		return err
	}
	if err := errors.Join(p.conn.SetWriteBuffer(socketBuffer), p.conn.SetReadBuffer(socketBuffer)); err != nil {
		return err
	}
	if p.clk, err = clockOf(p.cmd.Process.Pid); err != nil {
		return err
	}
	return p.exchange(nil, func(f *abi.Frame) (bool, error) { return f.Type == abi.Statement, nil })
}

func (p *process) exchange(in []byte, take taker) error {
	if err := p.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if len(in) > 0 {
		if _, err := p.conn.Write(in); err != nil {
			return err
		}
	}
	for {
		n, err := p.conn.Read(p.buf[p.held:])
		if err != nil {
			return err
		}
		p.held += n
		whole, err := abi.Whole(p.buf[:p.held])
		if err != nil {
			return err
		}
		last, err := frames(p.buf[:whole], take)
		p.held = copy(p.buf, p.buf[whole:p.held])
		if last || err != nil {
			return err
		}
	}
}

func (p *process) cpu() time.Duration { return p.clk.now() }

// close ends the process by hanging up, which it takes for the ordinary end.
func (p *process) close() error {
	if p.conn != nil {
		_ = p.conn.Close()
	}
	timer := time.AfterFunc(stopPatience, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("enclaved: %w\n%s", err, p.said)
	}
	return nil
}

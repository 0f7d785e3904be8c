package launch

import (
	"errors"
	"net"
	"strconv"
	"syscall"

	"github.com/scbr/scbr/router"
)

// samePortTries is how often a free UDP port is looked for whose TCP port is free as well.
const samePortTries = 32

// sockets are what clients connect to.
type sockets struct {
	udp net.PacketConn
	tcp net.Listener // nil: off
}

func (s *sockets) close() {
	_ = s.udp.Close()
	if s.tcp != nil {
		_ = s.tcp.Close()
	}
}

// openSockets opens both listeners. Where one port is to serve both and the system chooses it, it is free for both.
func openSockets(c *Config) (*sockets, error) {
	for try := 1; ; try++ {
		udp, err := router.Listen(c.Listen)
		if err != nil {
			return nil, err
		}
		if c.ListenTCP == tcpOff {
			return &sockets{udp: udp}, nil
		}
		addr := c.ListenTCP
		if addr == "" {
			host, _, err := net.SplitHostPort(c.Listen)
			if err != nil {
				return nil, errors.Join(err, udp.Close())
			}
			if u, ok := udp.LocalAddr().(*net.UDPAddr); ok {
				addr = net.JoinHostPort(host, strconv.Itoa(u.Port))
			}
		}
		tcp, err := net.Listen("tcp", addr)
		if err == nil {
			return &sockets{udp: udp, tcp: tcp}, nil
		}
		_ = udp.Close()
		_, port, _ := net.SplitHostPort(c.Listen)
		if c.ListenTCP != "" || port != "0" || !errors.Is(err, syscall.EADDRINUSE) || try == samePortTries {
			return nil, err
		}
	}
}

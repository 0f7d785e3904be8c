//go:build !linux

package router

import "net"

// accelerate has nothing to turn on here.
func accelerate(c *net.UDPConn) net.PacketConn { return c }

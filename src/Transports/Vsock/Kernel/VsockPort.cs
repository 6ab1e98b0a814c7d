using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.Vsock.Kernel;

/// <summary>
/// A listening port of this machine and the table of its endpoints, by CID. Two endpoints for one CID are refused,
/// and so are connections of a CID that is in no table.
/// </summary>
internal sealed class VsockPort : IDisposable
{
    private const int Backlog = 64;

    private static readonly Lock s_gate = new();
    private static readonly Dictionary<uint, VsockPort> s_ports = [];

    private readonly uint _number;
    private readonly SafeFd _fd;
    private readonly AcceptOperation _accept;
    private readonly Dictionary<uint, VsockListenEndpoint> _endpoints = [];
    private Task _accepting = Task.CompletedTask;

    private VsockPort(uint number, SafeFd fd)
    {
        (_number, _fd) = (number, fd);
        _accept = new AcceptOperation(fd, $"{VsockListenEndpoint.Scheme}://:{number}",
            errno => VsockErrors.Of(errno, "accept on", $"{VsockListenEndpoint.Scheme}://:{number}"));
    }

    /// <summary>Enters an endpoint for a CID; the first one of a port makes its socket.</summary>
    /// <exception cref="ChannelException">The CID has an endpoint there (<see cref="ChannelError.EndpointBusy"/>), or the socket cannot be made.</exception>
    internal static VsockPort Join(VsockAddress address, VsockListenEndpoint endpoint)
    {
        lock (s_gate)
        {
            if (!s_ports.TryGetValue(address.Port, out var port))
            {
                port = new VsockPort(address.Port, Listen(address.Port, endpoint.Uri));
                s_ports.Add(address.Port, port);
            }

            if (!port._endpoints.TryAdd(address.Cid, endpoint))
            {
                throw new ChannelException(ChannelError.EndpointBusy, ErrorClass.Refused,
                    $"cannot listen on {endpoint.Uri}: another endpoint of this process is for that CID and port; give each instance its own CID");
            }

            return port;
        }
    }

    /// <summary>Accepts, if it does not or no longer does because of an error that was told.</summary>
    internal void Run()
    {
        lock (s_gate)
        {
            if (_accepting.IsCompleted)
            {
                _accepting = RunAsync();
            }
        }
    }

    /// <summary>Takes an endpoint out; the last one of a port closes its socket.</summary>
    internal void Leave(uint cid)
    {
        lock (s_gate)
        {
            if (_endpoints.Remove(cid) && _endpoints.Count == 0)
            {
                Dispose();
            }
        }
    }

    public void Dispose()
    {
        s_ports.Remove(_number);
        _accept.Dispose();
        _fd.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                var fd = await _accept.AcceptAsync(CancellationToken.None).ConfigureAwait(false);
                Give(fd);
            }
        }
        catch (ChannelException error)
        {
            lock (s_gate)
            {
                foreach (var endpoint in _endpoints.Values)
                {
                    endpoint.Fail(error);
                }
            }
        }
    }

    private void Give(SafeFd fd)
    {
        VsockListenEndpoint? endpoint = null;
        var peer = VsockAddress.PeerOf(fd);
        if (peer is { } known)
        {
            lock (s_gate)
            {
                endpoint = _endpoints.GetValueOrDefault(known.Cid) ?? _endpoints.GetValueOrDefault(VsockAddress.AnyCid);
            }
        }

        if (endpoint is null || peer is not { } address)
        {
            fd.Dispose();
            VsockRefusals.Tell(peer?.Cid, _number);
            return;
        }

        try
        {
            endpoint.Accept(fd, address);
        }
        catch (ChannelException error)
        {
            endpoint.Fail(error);
        }
    }

    private static SafeFd Listen(uint number, string uri)
    {
        var socket = VsockAddress.NewSocket();
        if (socket < 0)
        {
            throw VsockErrors.Of(Errno.Last, "listen on", uri);
        }

        var fd = new SafeFd(socket);
        var errno = new VsockAddress(VsockAddress.AnyCid, number).Bind(fd);
        if (errno != 0 || SocketCalls.Listen(fd, Backlog) < 0)
        {
            errno = errno != 0 ? errno : Errno.Last;
            fd.Dispose();
            throw VsockErrors.Of(errno, "listen on", uri);
        }

        return fd;
    }
}

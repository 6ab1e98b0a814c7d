using System.Threading.Channels;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.UnixSocket;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>
/// Connections of a guest on QEMU's user network. For each one QEMU starts <c>channel-forward PATH</c>, whose standard input
/// is the connection; that program hands it over through the Unix socket and ends, so no process stands in between.
/// </summary>
internal sealed class ForwardSource(UnixSocketAddress place) : ISocketSource
{
    /// <summary>A program that connects and hands nothing over is given up after this.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    /// <summary>Programs that are waited for at a time; more stay in the kernel's queue.</summary>
    private const int MaxHelpers = 16;

    /// <summary>Connections that wait to be taken; more are closed.</summary>
    private const int MaxWaiting = 16;

    private readonly UnixListener _listener = UnixListener.Start(place);
    private readonly CancellationTokenSource _stopping = new();
    private readonly SemaphoreSlim _helpers = new(MaxHelpers);
    private readonly Channel<SafeFd> _connections = Channel.CreateBounded(
        new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropWrite }, static (SafeFd dropped) => dropped.Dispose());
    private Task? _accepting;

    public async ValueTask<SafeFd> AcceptAsync(CancellationToken cancellationToken)
    {
        _accepting ??= AcceptHelpersAsync();
        try
        {
            return await _connections.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException e)
        {
            throw e.InnerException as ChannelException ?? new ChannelException(
                ChannelError.TransportFailed, ErrorClass.Refused, $"accepting on {place.Uri} ended: the endpoint was disposed of");
        }
    }

    public void Dispose()
    {
        _stopping.Cancel();
        _listener.Dispose();
        _ = _connections.Writer.TryComplete();
        while (_connections.Reader.TryRead(out var left))
        {
            left.Dispose();
        }
    }

    private async Task AcceptHelpersAsync()
    {
        try
        {
            while (true)
            {
                await _helpers.WaitAsync(_stopping.Token).ConfigureAwait(false);
                var helper = await _listener.AcceptAsync(_stopping.Token).ConfigureAwait(false);
                _ = ReceiveAsync(helper);
            }
        }
        catch (Exception error) when (error is OperationCanceledException or ChannelException)
        {
            _ = _connections.Writer.TryComplete(error as ChannelException);
        }
    }

    /// <summary>Takes the connection that one program hands over. A silent one holds up no other.</summary>
    private async Task ReceiveAsync(ForeignFd helper)
    {
        try
        {
            using var receive = new FileReceiver(helper, place.Uri);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            patience.CancelAfter(s_patience);
            var connection = await receive.ReceiveAsync(patience.Token).ConfigureAwait(false);
            if (!_connections.Writer.TryWrite(connection))
            {
                connection.Dispose();
            }
        }
        catch (Exception error) when (error is OperationCanceledException or ChannelException)
        {
            // It went away, handed over something else, or took too long: the next one may be better.
        }
        finally
        {
            helper.EndSocket();
            helper.Dispose();
            _helpers.Release();
        }
    }
}

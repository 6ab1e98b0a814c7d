using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Install;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>install.Overlay: an archive is taken as a whole, checked as a whole, and then laid down.</summary>
/// <param name="install">Whose target it is.</param>
/// <param name="limit">Most bytes of an archive's files, asked at each call.</param>
/// <param name="log">Each archive is told there.</param>
internal sealed class OverlayService(InstallService install, Func<long> limit, AgentLog log) : IAgentService
{
    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        gate.Stream(InstallMethods.Overlay, (request, stream, context) => RunAsync(request, stream, context.CancellationToken));
    }

    /// <summary>Takes an archive from the host.</summary>
    public async ValueTask RunAsync(OverlayRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        var target = install.TargetOf(InstallSpec.Name(request.Operation));
        var reply = await target.UseAsync(token => LayAsync(target, stream, token), cancellationToken).ConfigureAwait(false);
        log.Info($"a package of {reply.Entries} entries with {reply.Bytes} bytes was laid over the system of the operation {target.Operation}");
        await stream.WriteAsync(reply.ToByteArray(), cancellationToken).ConfigureAwait(false);
    }

    private async Task<OverlayReply> LayAsync(InstallTarget target, ChannelStream stream, CancellationToken cancellationToken)
    {
        // Not on the channel's own thread: the installed system's disk takes its time.
        await Task.Yield();
        using var tree = new OverlayTree(target.Folder);
        using var archive = tree.OpenUnnamed();
        await ReceiveAsync(archive, stream, cancellationToken).ConfigureAwait(false);
        return await Task.Run(() => OverlayArchive.Lay(tree, archive, limit(), cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    private async Task ReceiveAsync(UnnamedFile archive, ChannelStream stream, CancellationToken cancellationToken)
    {
        var most = limit();
        while (true)
        {
            using var message = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (message.IsEnd)
            {
                return;
            }

            if (archive.Length + message.Memory.Length > most)
            {
                throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Refused, $"the archive is refused: it has more than {most} bytes ([limits] overlay_mib)");
            }

            try
            {
                archive.Write(message.Span);
            }
            catch (IOException e)
            {
                throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Refused, "the archive is refused: the installed system's disk has no room for it", e);
            }
        }
    }
}

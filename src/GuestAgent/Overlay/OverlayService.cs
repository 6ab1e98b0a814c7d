using ChannelSdk.GuestAgent.Install;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>install.Overlay: an archive is taken as a whole, checked as a whole, and then laid down.</summary>
/// <param name="install">Whose target it is.</param>
/// <param name="limit">Most bytes of an archive's files, asked at each call.</param>
/// <param name="log">Each archive is told there.</param>
internal sealed class OverlayService(InstallService install, Func<long> limit, AgentLog log)
{
    /// <summary>Takes an archive from the host.</summary>
    public async ValueTask RunAsync(OverlayRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        InstallTarget target = install.TargetOf(InstallSpec.Name(request.Operation));
        OverlayReply reply = await target.UseAsync(token => LayAsync(target, stream, token), cancellationToken).ConfigureAwait(false);
        log.Info($"a package of {reply.Entries} entries with {reply.Bytes} bytes was laid over the system of the operation {target.Operation}");
        await stream.WriteAsync(reply.ToByteArray(), cancellationToken).ConfigureAwait(false);
    }

    private async Task<OverlayReply> LayAsync(InstallTarget target, ChannelStream stream, CancellationToken cancellationToken)
    {
        // Not on the channel's own thread: the installed system's disk takes its time.
        await Task.Yield();
        using var tree = new OverlayTree(target.Folder);
        using FileStream archive = tree.OpenUnnamed();
        await TakeAsync(archive, stream, cancellationToken).ConfigureAwait(false);
        return await Task.Run(() => OverlayArchive.Lay(tree, archive, limit(), cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    private async Task TakeAsync(FileStream archive, ChannelStream stream, CancellationToken cancellationToken)
    {
        long most = limit();
        while (true)
        {
            using ReceivedMessage message = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (message.IsEnd)
            {
                return;
            }
            if (archive.Length + message.Memory.Length > most)
            {
                throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Refused, $"the archive is refused: it has more than {most} bytes (overlay_limit)");
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

using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;
using ChannelSdk.Runtime.Halves;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>Brings what the half says to the host.</summary>
/// <param name="stream">The operation's stream.</param>
/// <param name="onPercent">Told each new whole percent.</param>
internal sealed class InstallOutlet(HalfStream stream, Action<ushort> onPercent) : IHalfOutlet
{
    private const int MilliPercent = 1000;
    private int _percent;

    public ValueTask SendAsync(InstallMessage kind, ReadOnlyMemory<byte> content) => stream.WriteAsync(kind, content);

    public ValueTask ProgressAsync(InstallProgress progress)
    {
        int percent = (int)progress.MilliPercent / MilliPercent;
        if (Interlocked.Exchange(ref _percent, percent) != percent)
        {
            onPercent((ushort)percent);
        }
        return stream.WriteAsync(InstallMessage.Progress, progress);
    }

    public ValueTask LogAsync(InstallLog line) => stream.WriteAsync(InstallMessage.Log, line);

    public ValueTask ResultAsync(ReadOnlyMemory<byte> result) => stream.WriteAsync(InstallMessage.Result, result);
}

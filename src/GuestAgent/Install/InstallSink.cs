using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>Sends the messages and reports of the half to the host.</summary>
/// <param name="stream">The operation's stream.</param>
/// <param name="onPercent">Told each new whole percent.</param>
internal sealed class InstallSink(InstallStream stream, Action<ushort> onPercent) : IScriptSink
{
    private const int MilliPercent = 1000;
    private int _percent;

    public ValueTask SendAsync(InstallMessage kind, ReadOnlyMemory<byte> content) => stream.WriteAsync(kind, content);

    public ValueTask ProgressAsync(InstallProgress progress)
    {
        var percent = (int)progress.MilliPercent / MilliPercent;
        if (Interlocked.Exchange(ref _percent, percent) != percent)
        {
            onPercent((ushort)percent);
        }

        return stream.WriteAsync(InstallMessage.Progress, progress);
    }

    public ValueTask LogAsync(InstallLog line) => stream.WriteAsync(InstallMessage.Log, line);

    public ValueTask ResultAsync(ReadOnlyMemory<byte> result) => stream.WriteAsync(InstallMessage.Result, result);
}

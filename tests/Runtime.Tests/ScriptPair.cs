using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Runtime.Tests;

/// <summary>Two halves that hear each other at once, and what each of them reported.</summary>
internal sealed class ScriptPair
{
    public ScriptPair(TimeProvider? time = null)
    {
        LeftSide = new Side(() => Right!);
        RightSide = new Side(() => Left!);
        Left = new ScriptCoordinator(LeftSide, Parameters, time);
        Right = new ScriptCoordinator(RightSide, new ScriptParameters(), time);
    }

    public ScriptParameters Parameters { get; } = new();

    public ScriptCoordinator Left { get; }

    public ScriptCoordinator Right { get; }

    public Side LeftSide { get; }

    public Side RightSide { get; }

    public static CancellationToken Soon => ChannelPair.Soon;

    internal sealed class Side(Func<ScriptCoordinator> peer) : IScriptSink
    {
        public List<InstallProgress> Progress { get; } = [];

        public List<InstallLog> Log { get; } = [];

        public byte[]? Result { get; private set; }

        public ValueTask SendAsync(InstallMessage kind, ReadOnlyMemory<byte> content)
        {
            peer().OnPeer(kind, content.Span);
            return ValueTask.CompletedTask;
        }

        public ValueTask ProgressAsync(InstallProgress progress)
        {
            Progress.Add(progress);
            return ValueTask.CompletedTask;
        }

        public ValueTask LogAsync(InstallLog line)
        {
            Log.Add(line);
            return ValueTask.CompletedTask;
        }

        public ValueTask ResultAsync(ReadOnlyMemory<byte> result)
        {
            Result = result.ToArray();
            return ValueTask.CompletedTask;
        }
    }
}

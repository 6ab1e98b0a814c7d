using System.Text;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Runtime.Tests;

/// <summary>Two halves with their sockets, whose streams are joined as an appliance (left) and its host (right) do it.</summary>
internal sealed class ScriptStreams : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("half-test-");
    private readonly ScriptServer _left;
    private readonly ScriptServer _right;

    public ScriptStreams()
    {
        _left = new ScriptServer(Left, Pair.Left, new WaitingSide(Pair.Left));
        _right = new ScriptServer(Right, Pair.Right, new TakingSide(Pair.Left));
    }

    public ScriptPair Pair { get; } = new();

    public string Left => $"{_folder.FullName}/left.sock";

    public string Right => $"{_folder.FullName}/right.sock";

    /// <summary>Runs a tool of one half.</summary>
    public static async Task<(int Code, string Complaint)> RunAsync(string socket, Stream input, Stream output, CancellationToken cancellationToken, params string[] arguments)
    {
        var complaint = new StringBuilder();
        var tool = new ScriptTool(input, output, line => complaint.Append(line));
        var code = await Task.Run(() => tool.RunAsync(arguments, socket, cancellationToken), CancellationToken.None);
        return (code, complaint.ToString());
    }

    public async ValueTask DisposeAsync()
    {
        await _left.DisposeAsync();
        await _right.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    internal sealed class WaitingSide(ScriptCoordinator coordinator) : IScriptPipes
    {
        public async Task MoveAsync(ScriptPipeRequest request, ChannelStream tool, CancellationToken cancellationToken)
        {
            var end = new ScriptPipeEnd(request.Name, request.IsWriter, tool);
            await coordinator.OfferAsync(end, ScriptServer.Timeout(request.TimeoutMs), cancellationToken);
            await end.Moved.WaitAsync(cancellationToken);
        }
    }

    private sealed class TakingSide(ScriptCoordinator other) : IScriptPipes
    {
        public async Task MoveAsync(ScriptPipeRequest request, ChannelStream tool, CancellationToken cancellationToken)
        {
            var end = await other.TakeAsync(request.Name, !request.IsWriter, cancellationToken);
            try
            {
                await ScriptPipe.JoinAsync(tool, cancellationToken);
                await ScriptPipe.JoinAsync(end.Tool, cancellationToken);
                await (request.IsWriter ? ScriptPipe.MoveAsync(tool, end.Tool, cancellationToken) : ScriptPipe.MoveAsync(end.Tool, tool, cancellationToken));
                end.Finish();
            }
            catch (Exception e)
            {
                end.Fail(e as Protocol.Errors.ChannelException ?? new(Protocol.Errors.ChannelError.TransportFailed, Protocol.Errors.ErrorClass.MayHaveRun, "given up"));
                throw;
            }
        }
    }
}

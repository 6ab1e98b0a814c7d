using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Services.Install;

/// <summary>A tool of a half that sends or receives a stream, and waits until the other side takes it.</summary>
/// <param name="name">The stream's name.</param>
/// <param name="isWriter">Whether it sends.</param>
/// <param name="tool">Its half.Pipe; stays the caller's.</param>
public sealed class ScriptPipeEnd(string name, bool isWriter, ChannelStream tool)
{
    private readonly TaskCompletionSource _moved = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The stream's name.</summary>
    public string Name => name;

    /// <summary>Whether it sends.</summary>
    public bool IsWriter => isWriter;

    /// <summary>Its half.Pipe.</summary>
    public ChannelStream Tool => tool;

    /// <summary>Ends when its stream was moved as a whole; faults with why it was not.</summary>
    public Task Moved => _moved.Task;

    /// <summary>Under the coordinator's lock: whether the other side has taken it.</summary>
    internal bool IsTaken { get; set; }

    /// <summary>Who has taken it tells that its stream was moved.</summary>
    public void Finish() => _moved.TrySetResult();

    /// <summary>Who has taken it tells why its stream was not moved.</summary>
    /// <param name="failure">Why.</param>
    public void Fail(ChannelException failure)
    {
        _moved.TrySetException(failure);
        // The tool may have gone.
        _ = _moved.Task.Exception;
    }
}

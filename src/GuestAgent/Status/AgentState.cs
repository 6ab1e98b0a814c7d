using ChannelSdk.Channels;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.GuestAgent.Status;

/// <summary>What the agent does now, as its heartbeats and its status say it. Thread-safe.</summary>
/// <param name="channel">The channel to the host, once there is one.</param>
internal sealed class AgentState(Func<Channel> channel)
{
    private readonly Lock _lock = new();
    private StateWord _word = StateWord.Starting;
    private DateTimeOffset? _until;
    private ushort? _installing;

    /// <summary>The state is "installing" when there is no more urgent one.</summary>
    public StateWord Shown => _word == StateWord.Ready && _installing is not null ? StateWord.Installing : _word;

    /// <summary>Sets the state.</summary>
    /// <param name="word">What the agent does.</param>
    /// <param name="until">When that ends by itself, if it does.</param>
    public void Set(StateWord word, DateTimeOffset? until = null)
    {
        lock (_lock)
        {
            (_word, _until) = (word, until);
            Publish();
        }
    }

    /// <summary>Sets how far an installation is.</summary>
    /// <param name="percent">0 to 100; null: there is none.</param>
    public void SetInstalling(ushort? percent)
    {
        lock (_lock)
        {
            _installing = percent;
            Publish();
        }
    }

    private void Publish() => channel().SetState(Shown, _until, Shown == StateWord.Installing ? _installing ?? 0 : (ushort)0);
}

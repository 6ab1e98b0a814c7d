namespace ChannelSdk.Transports.Reactor;

/// <summary>Has shared work done on the thread that serves descriptors.</summary>
/// <param name="work">The work.</param>
public sealed class SharedWorkLoop(ISharedWork work) : IReactorWork
{
    private readonly IoReactor _reactor = IoReactor.Shared;
    private int _isScheduled;

    /// <summary>There is some, or will be soon. From any thread.</summary>
    public void Wake()
    {
        if (Interlocked.Exchange(ref _isScheduled, 1) == 0)
        {
            _reactor.Schedule(this);
        }
    }

    void IReactorWork.OnReady()
    {
        Volatile.Write(ref _isScheduled, 0);
        if (!work.Work())
        {
            _reactor.Attend(this);
        }
        else
        {
            Wake();
        }
    }

    /// <summary>Does a turn if there seems to be work. False: there is none.</summary>
    internal bool TryWork()
    {
        if (!work.HasWork)
        {
            return false;
        }

        if (work.Work())
        {
            Wake();
        }

        return true;
    }

    /// <summary>As <see cref="ISharedWork.TrySleep"/>; what is there is done soon.</summary>
    internal bool TrySleep()
    {
        if (work.TrySleep())
        {
            return true;
        }

        Wake();
        return false;
    }
}

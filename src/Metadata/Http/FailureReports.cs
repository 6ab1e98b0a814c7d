
namespace ChannelSdk.Metadata.Http;

/// <summary>Tells the host of answers that failed: at most one a second of an instance, and the next only when its sink is done with the last.</summary>
internal sealed class FailureReports(string instance, MetadataServerOptions options)
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private long _last;
    private bool _isBusy;
    private bool _wasTold;
    private long _untold;

    public void Add(string path, Exception cause)
    {
        if (options.Failed is not { } sink)
        {
            return;
        }

        MetadataFailure failure;
        lock (_gate)
        {
            if (_isBusy || (_wasTold && options.Time.GetElapsedTime(_last) < s_pause))
            {
                _untold++;
                return;
            }

            failure = new MetadataFailure(instance, path, cause, _untold);
            (_isBusy, _wasTold, _untold, _last) = (true, true, 0, options.Time.GetTimestamp());
        }

        // Not on the thread of a request: a sink may wait for a terminal.
        ThreadPool.UnsafeQueueUserWorkItem(_ => Tell(sink, failure), null);
    }

    private void Tell(Action<MetadataFailure> sink, MetadataFailure failure)
    {
        try
        {
            sink(failure);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // A sink that fails loses nothing: its report is counted, and told with the next.
            Interlocked.Add(ref _untold, failure.Untold + 1);
        }
        finally
        {
            lock (_gate)
            {
                _isBusy = false;
            }
        }
    }
}
